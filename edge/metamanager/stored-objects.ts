/** Owns the view that other modules have of the objects from the cloud: look up, list, and hear of changes. */
import { isRecord } from '#wire/message.ts';
import type { MetaTable } from '../store/meta-table.ts';

/** As the cloud gave it. */
export type StoredObject = Record<string, unknown>;

export interface ObjectChange {
  /** `<namespace>/<type>/<name>`. */
  key: string;
  /** undefined: it is gone. */
  object: StoredObject | undefined;
}

export class StoredObjects {
  readonly #meta: MetaTable;
  readonly #listeners = new Set<(change: ObjectChange) => void>();

  constructor(meta: MetaTable) {
    this.#meta = meta;
  }

  /** `type` in the singular: `pod`, `configmap`, `secret`, `service`, `endpoints`, `node`. */
  get(type: string, name: { namespace: string; name: string }): StoredObject | undefined {
    return parse(this.#meta.get(`${name.namespace}/${type}/${name.name}`));
  }

  /** Ordered by key. */
  list(type: string, namespace?: string): { key: string; object: StoredObject }[] {
    return this.#meta.list(type).flatMap(({ key, value }) => {
      const object = namespace === undefined || key.startsWith(`${namespace}/`) ? parse(value) : undefined;
      return object === undefined ? [] : [{ key, object }];
    });
  }

  /** Called after each change is on the disk. Returns how to stop it. */
  onChange(listener: (change: ObjectChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** For the metamanager. */
  tell(change: ObjectChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function parse(text: string | undefined): StoredObject | undefined {
  if (text === undefined) return undefined;
  const value: unknown = JSON.parse(text);
  return isRecord(value) ? value : undefined;
}
