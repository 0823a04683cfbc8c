/** Owns the rows of the persistent sessions on disk. */
import type { Database, Statement } from 'better-sqlite3';
import type { Qos } from './publish.ts';
import type { QueuedMessage } from './session-queue.ts';
import type { Session, SessionSubscription } from './sessions.ts';

export interface SessionReader {
  session(id: string, subscriptions: SessionSubscription[], awayMs: number): void;
  message(id: string, message: QueuedMessage): void;
  unreleased(id: string, messageId: number): void;
}

export interface SessionRows {
  load(reader: SessionReader): void;
  /** Undefined: the session is gone. */
  putSession(id: string, session: Session | undefined): void;
  putMessage(id: string, message: QueuedMessage): void;
  deleteMessage(row: number): void;
  setUnreleased(id: string, messageId: number, present: boolean): void;
}

/** For a broker that keeps nothing. */
export const noSessionRows: SessionRows = {
  load: () => undefined,
  putSession: () => undefined,
  putMessage: () => undefined,
  deleteMessage: () => undefined,
  setUnreleased: () => undefined,
};

interface OutgoingRow {
  id: number;
  client: string;
  topic: string;
  payload: string | Buffer;
  qos: Qos;
  message_id: number | null;
  released: number;
}

/** Identity of messages from an earlier run: counters of this run never meet it. */
const EARLIER_RUN = 'earlier';

export class SqliteSessionRows implements SessionRows {
  readonly #database: Database;
  readonly #putSession: Statement<[string, string, number]>;
  readonly #deleteSession: Statement<[string]>;
  readonly #putMessage: Statement<[number, string, string, string | Buffer, number, number | null, number]>;
  readonly #deleteMessage: Statement<[number]>;
  readonly #addUnreleased: Statement<[string, number]>;
  readonly #deleteUnreleased: Statement<[string, number]>;

  constructor(database: Database) {
    this.#database = database;
    this.#putSession = database.prepare('INSERT OR REPLACE INTO session (client, subscriptions, away_ms) VALUES (?, ?, ?)');
    this.#deleteSession = database.prepare('DELETE FROM session WHERE client = ?');
    this.#putMessage = database.prepare(
      'INSERT OR REPLACE INTO outgoing (id, client, topic, payload, qos, message_id, released) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#deleteMessage = database.prepare('DELETE FROM outgoing WHERE id = ?');
    this.#addUnreleased = database.prepare('INSERT OR IGNORE INTO unreleased (client, message_id) VALUES (?, ?)');
    this.#deleteUnreleased = database.prepare('DELETE FROM unreleased WHERE client = ? AND message_id = ?');
  }

  load(reader: SessionReader): void {
    const sessions = this.#database.prepare<[], { client: string; subscriptions: string; away_ms: number }>('SELECT * FROM session');
    for (const row of sessions.iterate()) reader.session(row.client, JSON.parse(row.subscriptions) as SessionSubscription[], row.away_ms);
    for (const row of this.#database.prepare<[], OutgoingRow>('SELECT * FROM outgoing ORDER BY id').iterate()) {
      reader.message(row.client, restored(row));
    }
    const unreleased = this.#database.prepare<[], { client: string; message_id: number }>('SELECT * FROM unreleased');
    for (const row of unreleased.iterate()) reader.unreleased(row.client, row.message_id);
  }

  putSession(id: string, session: Session | undefined): void {
    if (session === undefined) this.#deleteSession.run(id);
    else this.#putSession.run(id, JSON.stringify([...session.subscriptions.values()]), Math.round(session.awayMs));
  }

  putMessage(id: string, message: QueuedMessage): void {
    const { row, topic, payload, qos, messageId, released } = message;
    this.#putMessage.run(row, id, topic, payload, qos, messageId ?? null, released ? 1 : 0);
  }

  deleteMessage(row: number): void {
    this.#deleteMessage.run(row);
  }

  setUnreleased(id: string, messageId: number, present: boolean): void {
    (present ? this.#addUnreleased : this.#deleteUnreleased).run(id, messageId);
  }
}

function restored(row: OutgoingRow): QueuedMessage {
  return {
    row: row.id,
    brokerId: EARLIER_RUN,
    brokerCounter: row.id,
    topic: row.topic,
    payload: row.payload,
    qos: row.qos,
    messageId: row.message_id ?? undefined,
    released: row.released === 1,
    sent: row.message_id !== null,
    stored: true,
  };
}
