/** Owns the life with an external MQTT broker (mqttMode 1 and 2): two clients as KubeEdge has them, one subscribes and one publishes. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { Health } from '#beehive/module.ts';
import type { ExternalAddress } from './external-link.ts';
import type { OutboxLimits, Qos } from './external-outbox.ts';
import { ExternalPublisher } from './external-publisher.ts';
import { ExternalPresence } from './external-presence.ts';
import { type ExternalHandler, ExternalSubscriber } from './external-subscriber.ts';

export interface ExternalMqttOptions {
  clock: Clock;
  log: Logger;
  address: ExternalAddress;
  handler: ExternalHandler;
  /** Default `hub-client-sub-` and `hub-client-pub-` with ten random characters, so that many edgecores share one broker. */
  clientIds?: { sub: string; pub: string };
  /** Node name under which other edgecores on the broker know of us; without it nobody does. */
  node?: string;
  /** Messages kept while the broker is away; default 10,000 and 8 MiB. */
  buffer?: OutboxLimits;
}

export interface ExternalStats {
  connected: boolean;
  /** Messages that wait for the broker. */
  waiting: number;
  /** Messages dropped because the buffer was full, since the start. */
  dropped: number;
}

const DEFAULT_BUFFER: OutboxLimits = { messages: 10_000, bytes: 8 * 1024 * 1024 };
const RANDOM_LENGTH = 10;
/** What people have to know who put two edgecores on one broker. */
const SHARED = {
  effect: 'each of them forwards the uploads of apps, so the cloud gets them once from each',
  remedy: 'let apps upload through the embedded broker of one edgecore (mqttMode 1), or give each edgecore a broker of its own',
};
const NOBODY: ReadonlySet<string> = new Set();

export class ExternalMqtt {
  readonly #url: string;
  readonly #log: Logger;
  readonly #subscriber: ExternalSubscriber;
  readonly #publisher: ExternalPublisher;
  readonly #presence: ExternalPresence | undefined;

  /** Throws HiveletError CONFIG_INVALID for an address that cannot be one. */
  constructor({ clock, log, address, handler, clientIds, node, buffer = DEFAULT_BUFFER }: ExternalMqttOptions) {
    this.#url = address.url;
    this.#log = log;
    const { sub, pub } = clientIds ?? { sub: `hub-client-sub-${randomText(clock)}`, pub: `hub-client-pub-${randomText(clock)}` };
    this.#presence =
      node === undefined
        ? undefined
        : new ExternalPresence(node, (other) => log.warn('mqtt.external.shared', { url: address.url, other, ...SHARED }));
    this.#subscriber = new ExternalSubscriber({ clock, log, address, handler, clientId: sub, presence: this.#presence });
    this.#publisher = new ExternalPublisher({ clock, log, address, buffer, clientId: pub });
  }

  /** Resolves without waiting for the broker, which may be away. */
  async start(): Promise<void> {
    await Promise.all([this.#subscriber.link.start(), this.#publisher.link.start()]);
  }

  /** Sends what waits for at most a second, then closes. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all([this.#subscriber.stop(), this.#publisher.stop()]);
  }

  /** At QoS 1, now and after every connect. */
  subscribe(filter: string): void {
    this.#subscriber.subscribe(filter);
  }

  unsubscribe(filter: string): void {
    this.#subscriber.unsubscribe(filter);
  }

  /** Kept while the broker is away; sent again when a connection ends before its confirmation. */
  publish(topic: string, payload: string | Buffer, { qos = 0, retain = false }: { qos?: Qos; retain?: boolean } = {}): void {
    if (topic.length === 0 || topic.length > 65_535 || /[#+\0]/.test(topic)) {
      this.#log.warn('mqtt.external.topic.invalid', { topic: topic.slice(0, 200) }); // the broker would close the connection for it
      return;
    }
    this.#publisher.publish({ topic, payload, qos, retain });
  }

  /** The other edgecores that are on the broker now, by node name. */
  get others(): ReadonlySet<string> {
    return this.#presence?.others ?? NOBODY;
  }

  stats(): ExternalStats {
    const { waiting, dropped, link } = this.#publisher;
    return { connected: this.#subscriber.link.connected && link.connected, waiting, dropped };
  }

  health(): Health {
    const { connected, waiting, dropped } = this.stats();
    const beside = this.others.size === 0 ? '' : `, beside ${[...this.others].slice(0, 10).join(', ')}`;
    if (connected) return { ok: true, detail: `connected to the MQTT broker ${this.#url}${beside}` };
    const { link } = this.#subscriber.link.connected ? this.#publisher : this.#subscriber;
    return {
      ok: false,
      detail: `the MQTT broker ${this.#url} is away (${link.lastError}); ${waiting} messages wait, ${dropped} were dropped`,
    };
  }
}

function randomText(clock: Clock): string {
  return Array.from({ length: RANDOM_LENGTH }, () => Math.floor(clock.random() * 36).toString(36)).join('');
}
