/** Owns who gets a message now: the live filters of clients, of ports and of aedes itself. Takes the place of aedes' emitter, which ignores the `$`-rule. */
import type { Delivery, ForwardPacket } from './aedes-inside.ts';
import { TopicTrie } from './topic-trie.ts';

export class Emitter {
  readonly #filters = new TopicTrie<Delivery, Delivery>();
  #closed = false;

  on(filter: string, deliver: Delivery, done?: () => void): void {
    this.#filters.set(filter, deliver, deliver);
    if (done !== undefined) setImmediate(done);
  }

  removeListener(filter: string, deliver: Delivery, done?: () => void): void {
    this.#filters.delete(filter, deliver);
    if (done !== undefined) setImmediate(done);
  }

  match(topic: string): Delivery[] {
    return this.#closed ? [] : this.#filters.match(topic);
  }

  /** Called by aedes for its own messages and for wills; `done` when everybody has it. */
  emit(packet: ForwardPacket, done: (error?: Error) => void = () => undefined): void {
    const deliveries = this.match(packet.topic);
    let left = deliveries.length;
    if (left === 0) return done();
    const delivered = (): void => {
      if (--left === 0) done();
    };
    for (const deliver of deliveries) deliver(packet, delivered);
  }

  close(done: () => void): void {
    this.#closed = true;
    setImmediate(done);
  }
}
