/** Owns the messages for an external broker that are not delivered yet: in order, bounded, the oldest dropped first and counted. */

export type Qos = 0 | 1 | 2;

export interface OutboxMessage {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface OutboxLimits {
  messages: number;
  bytes: number;
}

interface Slot {
  message: OutboxMessage;
  bytes: number;
  /** How often it was handed to a connection. */
  attempts: number;
}

/** A message that the broker answers by closing the connection would keep all others waiting for ever. */
const MAX_ATTEMPTS = 10;

/** What a message costs beside its text. */
const OVERHEAD_BYTES = 100;

export class Outbox {
  readonly #limits: OutboxLimits;
  /** Handed to a connection, not confirmed. */
  #sent = new Set<Slot>();
  #waiting: Slot[] = [];
  #bytes = 0;
  /** Messages dropped since the start. */
  dropped = 0;

  constructor(limits: OutboxLimits) {
    this.#limits = limits;
  }

  /** Messages kept, sent or not. */
  get size(): number {
    return this.#sent.size + this.#waiting.length;
  }

  get inFlight(): number {
    return this.#sent.size;
  }

  /** Answers how many old messages had to go for this one. */
  add(message: OutboxMessage): number {
    const bytes = message.topic.length + message.payload.length + OVERHEAD_BYTES;
    this.#waiting.push({ message, bytes, attempts: 0 });
    this.#bytes += bytes;
    let gone = 0;
    while (this.size > this.#limits.messages || this.#bytes > this.#limits.bytes) {
      const oldest = this.#waiting.shift();
      if (oldest === undefined) break; // what is on its way cannot be taken back
      this.#bytes -= oldest.bytes;
      gone++;
    }
    this.dropped += gone;
    return gone;
  }

  /** The next message to send and what to call when it is delivered; calling it after `returnSent` does nothing. */
  take(): { message: OutboxMessage; delivered: () => void } | undefined {
    const slot = this.#waiting.shift();
    if (slot === undefined) return undefined;
    const sent = this.#sent;
    slot.attempts++;
    sent.add(slot);
    const delivered = (): void => {
      if (sent === this.#sent && sent.delete(slot)) this.#bytes -= slot.bytes;
    };
    return { message: slot.message, delivered };
  }

  /** The connection is gone: what it did not confirm is sent again, in the old order. Answers how many were given up. */
  returnSent(): number {
    const [first, ...others] = this.#sent;
    const givenUp = first !== undefined && first.attempts >= MAX_ATTEMPTS ? 1 : 0;
    if (givenUp === 1) this.#bytes -= first?.bytes ?? 0;
    this.dropped += givenUp;
    this.#waiting = [...(first === undefined || givenUp === 1 ? [] : [first]), ...others, ...this.#waiting];
    this.#sent = new Set();
    return givenUp;
  }
}
