/** Owns the order of one publisher: hand in, commit, acknowledge, forward, results; never two publishes overtaking each other. */
import { messageOf } from '#beehive/errors.ts';
import type { AfterForward, Ingest, IncomingPublish } from './publish.ts';

/** The publisher's side of one publish. */
export interface Receipt {
  /** After the commit, before forwarding. */
  accepted: () => void;
  /** The ingest failed: no acknowledgement, not forwarded. */
  refused: (error: unknown) => void;
}

export interface PublishQueueOptions {
  ingest: Ingest | undefined;
  forward(publish: IncomingPublish): void;
  /** After each run of acknowledgements: the place to send them in one write and to read on. */
  settled?(): void;
  failed(publish: IncomingPublish, error: unknown): void;
}

interface Entry {
  publish: IncomingPublish;
  receipt: Receipt | undefined;
  state: 'waiting' | 'ready' | 'refused';
  forwards: boolean;
  after?: AfterForward;
  error?: unknown;
}

export class PublishQueue {
  readonly #options: PublishQueueOptions;
  #entries: Entry[] = [];
  #bytes = 0;
  #draining = false;
  #closed: Error | undefined;

  constructor(options: PublishQueueOptions) {
    this.#options = options;
  }

  /** Publishes that are not forwarded yet. */
  get size(): number {
    return this.#entries.length;
  }

  /** Their payload bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `forwards`: false for one that is forwarded by its receipt. */
  push(publish: IncomingPublish, receipt?: Receipt, forwards = true): void {
    if (this.#closed !== undefined) return receipt?.refused(this.#closed);
    const pending = this.#handIn(publish);
    const entry: Entry = { publish, receipt, state: pending === undefined ? 'ready' : 'waiting', forwards };
    this.#add(entry);
    if (pending === undefined) return;
    pending.then(
      (after) => {
        entry.state = 'ready';
        if (typeof after === 'function') entry.after = after;
        this.#schedule(entry);
      },
      (error: unknown) => {
        entry.state = 'refused';
        entry.error = error;
        this.#schedule(entry);
      },
    );
  }

  /** Acknowledges a publish that came before (QoS 2 sent again) behind those in front of it; nothing is forwarded. */
  acknowledge(publish: IncomingPublish, receipt: Receipt): void {
    this.#add({ publish, receipt, state: 'ready', forwards: false });
  }

  /** Refuses what still waits, and everything from now on. */
  close(error: Error): void {
    this.#closed = error;
    const waiting = this.#entries.splice(0);
    this.#bytes = 0;
    for (const { receipt } of waiting) receipt?.refused(error);
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.publish.payload.length;
    if (entry.state === 'ready' && this.#entries.length === 1) this.#drain();
  }

  #handIn(publish: IncomingPublish): Promise<void | AfterForward> | undefined {
    try {
      return this.#options.ingest?.(publish);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  /** One drain serves all publishes whose commits settled in the same turn. */
  #schedule(entry: Entry): void {
    if (this.#draining || this.#entries[0] !== entry) return;
    this.#draining = true;
    queueMicrotask(() => {
      this.#draining = false;
      this.#drain();
    });
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true; // forwarding may publish again
    let done = 0;
    for (let entry = this.#entries[0]; entry !== undefined && entry.state !== 'waiting'; entry = this.#entries[done]) {
      done++;
      this.#bytes -= entry.publish.payload.length;
      this.#finish(entry);
    }
    this.#entries.splice(0, done);
    this.#draining = false;
    this.#options.settled?.();
  }

  #finish(entry: Entry): void {
    const { publish, receipt } = entry;
    try {
      if (entry.state === 'refused') {
        receipt?.refused(entry.error);
        this.#options.failed(publish, entry.error);
        return;
      }
      receipt?.accepted();
      if (entry.forwards) this.#options.forward(publish);
      entry.after?.();
    } catch (error) {
      this.#options.failed(publish, error);
    }
  }
}
