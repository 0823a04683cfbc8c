/** Owns who else is on an external broker: each edgecore keeps a retained message there while it is connected. */
import { nodeTopic } from '#wire/topics.ts';
import type { OutboxMessage } from './external-outbox.ts';

/** Names kept; somebody who invents nodes must not fill our memory. */
const MAX_OTHERS = 1000;

export class ExternalPresence {
  /** Every edgecore's topic. */
  readonly filter = nodeTopic.connected('+');
  /** The other edgecores, by node name. */
  readonly others = new Set<string>();
  readonly #topic: string;
  readonly #node: string;
  readonly #onOther: (other: string) => void;
  /** Those that were told of; a broker that comes and goes brings no new ones. */
  readonly #told = new Set<string>();

  /** `onOther` is called once for each. */
  constructor(node: string, onOther: (other: string) => void = () => undefined) {
    this.#node = node;
    this.#onOther = onOther;
    this.#topic = nodeTopic.connected(node);
  }

  /** Said after each connect, before anything else. */
  get here(): OutboxMessage {
    return { topic: this.#topic, payload: JSON.stringify({ node: this.#node }), qos: 1, retain: true };
  }

  /** The last will, and what is said before a good-bye. */
  get gone(): OutboxMessage {
    return { topic: this.#topic, payload: '', qos: 1, retain: true };
  }

  /**
   * `none`: the message is about something else. `renew`: our own presence was taken away, by the late will of a connection that we have
   * lost before: it is to be said again.
   */
  take(topic: string, payload: Buffer): 'none' | 'taken' | 'renew' {
    if (topic === this.#topic) return payload.length === 0 ? 'renew' : 'taken';
    const prefix = nodeTopic.connected('');
    if (!topic.startsWith(prefix) || topic.includes('/', prefix.length)) return 'none';
    const node = topic.slice(prefix.length);
    if (payload.length === 0) this.others.delete(node);
    else if (this.others.size < MAX_OTHERS) this.#add(node);
    return 'taken';
  }

  #add(node: string): void {
    this.others.add(node);
    if (this.#told.has(node) || this.#told.size >= MAX_OTHERS) return;
    this.#told.add(node);
    this.#onOther(node);
  }
}
