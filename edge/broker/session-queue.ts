/** Owns the QoS 1 and 2 messages on their way to one persistent session: order, identity, bounds. */
import type { Qos } from './publish.ts';

/** How aedes identifies a message: by broker and counter until it has a packet identifier. */
export interface MessageRef {
  cmd?: string;
  brokerId?: string | null;
  brokerCounter?: number;
  messageId?: number;
}

export interface QueuedMessage {
  /** Row on disk. */
  readonly row: number;
  readonly brokerId: string;
  readonly brokerCounter: number;
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly qos: Qos;
  messageId: number | undefined;
  /** PUBREC was received: only PUBREL is sent again. */
  released: boolean;
  /** Was written to a socket at least once. */
  sent: boolean;
  /** Is on disk. */
  stored: boolean;
}

/** As aedes reads it from the store. */
export type StreamedPacket =
  | {
      cmd: 'publish';
      brokerId: string;
      brokerCounter: number;
      topic: string;
      payload: string | Buffer;
      qos: Qos;
      retain: boolean;
      dup: boolean;
      messageId: number | undefined;
    }
  | { cmd: 'pubrel'; messageId: number | undefined };

export class SessionQueue {
  readonly #messages = new Map<string, QueuedMessage>();
  readonly #byId = new Map<number, QueuedMessage>();
  #bytes = 0;

  get size(): number {
    return this.#messages.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(message: QueuedMessage): void {
    this.#messages.set(keyOf(message), message);
    if (message.messageId !== undefined) this.#byId.set(message.messageId, message);
    this.#bytes += message.payload.length;
  }

  /** By packet identifier, else by broker and counter. */
  find(ref: MessageRef): QueuedMessage | undefined {
    const known = typeof ref.brokerId === 'string' ? this.#messages.get(keyOf(ref)) : undefined;
    return known ?? (ref.messageId === undefined ? undefined : this.#byId.get(ref.messageId));
  }

  identify(message: QueuedMessage, messageId: number | undefined): void {
    if (message.messageId !== undefined && this.#byId.get(message.messageId) === message) this.#byId.delete(message.messageId);
    message.messageId = messageId;
    if (messageId !== undefined) this.#byId.set(messageId, message);
  }

  remove(message: QueuedMessage): void {
    if (!this.#messages.delete(keyOf(message))) return;
    if (message.messageId !== undefined && this.#byId.get(message.messageId) === message) this.#byId.delete(message.messageId);
    this.#bytes -= message.payload.length;
  }

  /** The oldest message that was never sent: the one to drop when there is no room. */
  oldestUnsent(): QueuedMessage | undefined {
    for (const message of this.#messages.values()) if (!message.sent) return message;
    return undefined;
  }

  /** Above all identifiers in use, so that a new connection does not give one of them to another message. */
  nextId(): number {
    let highest = 0;
    for (const id of this.#byId.keys()) highest = Math.max(highest, id);
    return highest >= 65_535 ? 1 : highest + 1;
  }

  *[Symbol.iterator](): Generator<QueuedMessage> {
    yield* this.#messages.values();
  }
}

export function streamed(message: QueuedMessage): StreamedPacket {
  const { brokerId, brokerCounter, topic, payload, qos, messageId } = message;
  if (message.released) return { cmd: 'pubrel', messageId };
  return { cmd: 'publish', brokerId, brokerCounter, topic, payload, qos, retain: false, dup: false, messageId };
}

function keyOf(ref: MessageRef): string {
  return `${ref.brokerId ?? ''} ${String(ref.brokerCounter)}`;
}
