/** Owns the way of a message through the broker: kept if retained, queued for sessions, handed to whoever subscribed. */
import type { AedesBroker, ForwardPacket } from './aedes-inside.ts';
import type { Emitter } from './emitter.ts';
import type { BrokerPersistence } from './persistence.ts';
import type { Outgoing } from './publish.ts';

const done = (): void => undefined;

export class Router {
  readonly #aedes: AedesBroker;
  readonly #emitter: Emitter;
  readonly #persistence: BrokerPersistence;

  constructor(aedes: AedesBroker, emitter: Emitter, persistence: BrokerPersistence) {
    this.#aedes = aedes;
    this.#emitter = emitter;
    this.#persistence = persistence;
  }

  /** Whether a client, a port or a session would get a message on `topic`. */
  wanted(topic: string): boolean {
    return this.#emitter.match(topic).length > 0 || this.#persistence.sessions.matching(topic).length > 0;
  }

  /** All of it happens before this returns, so that messages of one publisher keep their order; only the sockets are written later. */
  forward(message: Outgoing): void {
    if (this.#aedes.closed) return;
    const { topic, qos, retain } = message;
    const deliveries = this.#emitter.match(topic);
    const waiting = qos > 0 ? this.#persistence.sessions.matching(topic) : [];
    if (!retain && deliveries.length === 0 && waiting.length === 0) return;
    const packet = this.#packet(message);
    if (retain) this.#persistence.retained.store({ cmd: 'publish', topic, payload: packet.payload, qos, retain: true });
    this.#persistence.sessions.enqueue(waiting, { ...packet, brokerId: this.#aedes.id });
    for (const deliver of deliveries) deliver(packet, done);
  }

  #packet({ topic, payload, qos, retain, clientId }: Outgoing): ForwardPacket {
    return {
      cmd: 'publish',
      brokerId: this.#aedes.id,
      brokerCounter: ++this.#aedes.counter,
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      qos,
      retain,
      dup: false,
      ...(clientId === undefined ? {} : { clientId }),
    };
  }
}
