/** Owns the rows of meta_version: which version of which object the edge has or had, so that nothing older comes back. */
import type { Sqlite } from './database.ts';

export interface ObjectVersion {
  /** uid of the cluster in which the version counts. */
  cluster: string;
  uid: string;
  version: number;
  /** It was deleted; `version` is that of its deletion. */
  gone: boolean;
}

export interface ObjectVersionTable {
  get(key: string): ObjectVersion | undefined;
  put(key: string, version: ObjectVersion): void;
  /** Nothing is known of it any more. */
  forget(key: string): void;
  /** Of the objects that are there. */
  list(): (ObjectVersion & { key: string })[];
}

/** Deletions that are remembered: the newest. */
const GRAVES = 1000;

interface Row {
  key: string;
  cluster_uid: string;
  uid: string;
  version: number;
  gone: number;
}

export function createObjectVersionTable(sqlite: Sqlite): ObjectVersionTable {
  const get = sqlite.prepare<[string], Row>('SELECT * FROM meta_version WHERE key = ?');
  const put = sqlite.prepare(
    'INSERT INTO meta_version (key, cluster_uid, uid, version, gone) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET ' +
      'cluster_uid = excluded.cluster_uid, uid = excluded.uid, version = excluded.version, gone = excluded.gone',
  );
  const forget = sqlite.prepare('DELETE FROM meta_version WHERE key = ?');
  const list = sqlite.prepare<[], Row>('SELECT * FROM meta_version WHERE gone = 0 ORDER BY key');
  // `gone` counts deletions: the lowest one is the oldest.
  const last = sqlite.prepare<[], { gone: number }>('SELECT COALESCE(MAX(gone), 0) AS gone FROM meta_version WHERE gone > 0');
  const prune = sqlite.prepare('DELETE FROM meta_version WHERE gone > 0 AND gone <= ?');
  return {
    get: (key) => {
      const row = get.get(key);
      return row === undefined ? undefined : versionOf(row);
    },
    put: (key, { cluster, uid, version, gone }) => {
      const number = gone ? (last.get()?.gone ?? 0) + 1 : 0;
      put.run(key, cluster, uid, version, number);
      if (gone) prune.run(number - GRAVES);
    },
    forget: (key) => void forget.run(key),
    list: () => list.all().map((row) => ({ key: row.key, ...versionOf(row) })),
  };
}

function versionOf({ cluster_uid: cluster, uid, version, gone }: Row): ObjectVersion {
  return { cluster, uid, version, gone: gone > 0 };
}
