/** Owns the last wills of connected clients; those of an earlier run are published if their client does not come back. */
import type { Database, Statement } from 'better-sqlite3';
import type { Journal } from './journal.ts';
import type { Qos } from './publish.ts';
import { copy } from './retained.ts';

export interface Will {
  topic: string;
  payload: Buffer;
  qos: Qos;
  retain: boolean;
  clientId?: string;
  brokerId?: string;
}

export class WillTable {
  readonly #wills = new Map<string, Will>();
  readonly #stored = new Set<string>();
  readonly #journal: Journal;
  #put: Statement<[string, string, string, Buffer, number, number]> | undefined;
  #remove: Statement<[string]> | undefined;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  load(database: Database): void {
    interface Row {
      client: string;
      broker: string;
      topic: string;
      payload: Buffer;
      qos: Qos;
      retain: number;
    }
    for (const { client, broker, retain, ...rest } of database.prepare<[], Row>('SELECT * FROM will').iterate()) {
      this.#wills.set(client, { ...rest, retain: retain === 1, clientId: client, brokerId: broker });
      this.#stored.add(client);
    }
    this.#put = database.prepare('INSERT OR REPLACE INTO will (client, broker, topic, payload, qos, retain) VALUES (?, ?, ?, ?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM will WHERE client = ?');
  }

  /** aedes keeps the object it hands over: it is completed, not copied. */
  set(clientId: string, will: Will, brokerId: string): void {
    will.brokerId = brokerId;
    will.clientId = clientId;
    will.payload = copy(will.payload);
    this.#wills.set(clientId, will);
    this.#mark(clientId);
  }

  get(clientId: string): Will | undefined {
    return this.#wills.get(clientId);
  }

  delete(clientId: string): Will | undefined {
    const will = this.#wills.get(clientId);
    if (will === undefined) return undefined;
    this.#wills.delete(clientId);
    if (this.#stored.has(clientId)) this.#mark(clientId);
    else this.#journal.unmark(`will ${clientId}`);
    return will;
  }

  values(): IterableIterator<Will> {
    return this.#wills.values();
  }

  #mark(clientId: string): void {
    const written = (): void => {
      if (this.#wills.has(clientId)) this.#stored.add(clientId);
      else this.#stored.delete(clientId);
    };
    this.#journal.mark(`will ${clientId}`, () => this.#write(clientId), { written });
  }

  #write(clientId: string): void {
    const will = this.#wills.get(clientId);
    if (will === undefined) this.#remove?.run(clientId);
    else this.#put?.run(clientId, will.brokerId ?? '', will.topic, will.payload, will.qos, will.retain ? 1 : 0);
  }
}
