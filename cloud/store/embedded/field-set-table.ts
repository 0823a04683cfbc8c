/** Owns the sets of fields on disk: each once, however many objects and versions have it; rows of objects name it by its number. */
import type Database from 'better-sqlite3';
import type { PackedManager } from './managed-fields/packed.ts';

export const FIELD_SETS_SCHEMA = 'CREATE TABLE IF NOT EXISTS field_sets(id INTEGER PRIMARY KEY, fields TEXT NOT NULL);';

/** An entry in a row: its set by number. */
type RowManager = PackedManager['head'] & { subresource?: string; set: number };

/** Sets beyond twice those that were in use last are looked through for what nobody has any more. */
const SPARE = 200;

export class FieldSetTable {
  readonly #db: Database.Database;
  readonly #add: Database.Statement<[string]>;
  readonly #ids = new Map<string, number>();
  readonly #texts = new Map<number, string>();
  /** Added by the transaction that runs. */
  readonly #fresh: number[] = [];
  #limit: number;

  constructor(db: Database.Database) {
    this.#db = db;
    this.#add = db.prepare('INSERT INTO field_sets(fields) VALUES (?)');
    for (const { id, fields } of db.prepare<[], { id: number; fields: string }>('SELECT id, fields FROM field_sets').iterate()) {
      this.#ids.set(fields, id);
      this.#texts.set(id, fields);
    }
    this.#limit = this.#texts.size + SPARE;
  }

  /** The column of a row; writes sets that are new. Null where nobody is recorded. */
  columnOf(managers: readonly PackedManager[]): string | null {
    if (managers.length === 0) return null;
    const entries = managers.map(({ head, subresource, fields }): RowManager => {
      return { ...head, ...(subresource === undefined ? {} : { subresource }), set: this.#idOf(fields) };
    });
    return JSON.stringify(entries);
  }

  /** Of a column that cannot be read: nobody. */
  managersIn(column: string | null): PackedManager[] {
    if (column === null) return [];
    try {
      return (JSON.parse(column) as RowManager[]).map(({ subresource, set, ...head }) => {
        const fields = this.#texts.get(set);
        if (fields === undefined) throw new Error(`the set of fields ${set} is missing`);
        return { head, subresource, fields };
      });
    } catch {
      return [];
    }
  }

  /** Within a transaction, after its rows: removes sets that no row has, when there may be many. */
  tidy(): void {
    if (this.#texts.size <= this.#limit) return;
    const used = new Set<number>();
    for (const { managers } of this.#db
      .prepare<[], { managers: string }>('SELECT managers FROM objects WHERE managers IS NOT NULL')
      .iterate()) {
      for (const { set } of JSON.parse(managers) as RowManager[]) used.add(set);
    }
    const drop = this.#db.prepare<[number]>('DELETE FROM field_sets WHERE id = ?');
    for (const id of [...this.#texts.keys()]) {
      if (used.has(id)) continue;
      drop.run(id);
      this.#drop(id);
    }
    this.#limit = this.#texts.size * 2 + SPARE;
  }

  /** After each transaction: what one that failed had added is not there. */
  settle(committed: boolean): void {
    for (const id of this.#fresh.splice(0)) if (!committed) this.#drop(id);
  }

  #drop(id: number): void {
    const fields = this.#texts.get(id);
    if (fields !== undefined && this.#ids.get(fields) === id) this.#ids.delete(fields);
    this.#texts.delete(id);
  }

  #idOf(fields: string): number {
    const known = this.#ids.get(fields);
    if (known !== undefined) return known;
    const id = Number(this.#add.run(fields).lastInsertRowid);
    this.#ids.set(fields, id);
    this.#texts.set(id, fields);
    this.#fresh.push(id);
    return id;
  }
}
