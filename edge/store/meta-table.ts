/** Owns the rows of meta (objects from the cloud, by wire resource) and sub_topics (subscriptions ordered by cloud rules). */
import type { Sqlite } from './database.ts';

export interface MetaTable {
  put(key: string, type: string, value: string): void;
  get(key: string): string | undefined;
  delete(key: string): void;
  list(type: string): { key: string; value: string }[];
}

export interface SubTopicTable {
  list(): string[];
  add(topic: string): void;
  delete(topic: string): void;
}

export function createMetaTable(sqlite: Sqlite): MetaTable {
  const put = sqlite.prepare(
    'INSERT INTO meta (key, type, value) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET type = excluded.type, value = excluded.value',
  );
  const get = sqlite.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?');
  const drop = sqlite.prepare('DELETE FROM meta WHERE key = ?');
  const list = sqlite.prepare<[string], { key: string; value: string }>('SELECT key, value FROM meta WHERE type = ? ORDER BY key');
  return {
    put: (key, type, value) => void put.run(key, type, value),
    get: (key) => get.get(key)?.value,
    delete: (key) => void drop.run(key),
    list: (type) => list.all(type),
  };
}

export function createSubTopicTable(sqlite: Sqlite): SubTopicTable {
  const all = sqlite.prepare<[], { topic: string }>('SELECT topic FROM sub_topics ORDER BY topic');
  const add = sqlite.prepare('INSERT OR IGNORE INTO sub_topics (topic) VALUES (?)');
  const drop = sqlite.prepare('DELETE FROM sub_topics WHERE topic = ?');
  return { list: () => all.all().map((row) => row.topic), add: (topic) => void add.run(topic), delete: (topic) => void drop.run(topic) };
}
