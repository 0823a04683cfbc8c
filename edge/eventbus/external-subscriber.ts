/** Owns subscriptions at an external MQTT broker: asked for on every connect, acknowledged after the commit. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { backoff } from '#beehive/retry.ts';
import type { IPublishPacket, MqttClient } from 'mqtt';
import { AckQueue } from './external-acks.ts';
import { type ExternalAddress, ExternalLink } from './external-link.ts';
import type { OutboxMessage, Qos } from './external-outbox.ts';
import type { ExternalPresence } from './external-presence.ts';

export interface ExternalMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  /** Kept by the broker from before we subscribed: no new event, possibly our own words. */
  readonly retain: boolean;
}

/**
 * Called in order of arrival. With a promise the PUBACK of a QoS 1 message waits for it, later messages are handed in meanwhile;
 * rejected: logged and not acknowledged.
 */
export type ExternalHandler = (message: ExternalMessage) => Promise<void> | undefined;

export interface ExternalSubscriberOptions {
  clock: Clock;
  log: Logger;
  address: ExternalAddress;
  clientId: string;
  handler: ExternalHandler;
  /** Tells the others on the broker that we are there, and hears of them. */
  presence?: ExternalPresence | undefined;
}

const QOS = 1;
const REFUSED: number = 0x80;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** Messages that wait for their commit before we stop reading. */
const WINDOW = 1_000;
const PUBACK = 0x40;

export class ExternalSubscriber {
  readonly link: ExternalLink;
  readonly #options: ExternalSubscriberOptions;
  readonly #filters = new Set<string>();
  /** Filters that were refused and the timer of their next try. */
  readonly #refused = new Map<string, Timer>();
  #client: MqttClient | undefined;
  #acks = new AckQueue();
  #pending = 0;
  /** Lets the next message in. */
  #held: (() => void) | undefined;

  constructor(options: ExternalSubscriberOptions) {
    this.#options = options;
    this.link = new ExternalLink({
      ...options,
      will: options.presence?.gone,
      up: (client) => this.#up(client),
      down: () => this.#down(),
      incoming: (client, packet, done) => this.#incoming(client, packet, done),
    });
  }

  /** Now and after every connect; a refused filter is tried again and does not keep others away. */
  subscribe(filter: string): void {
    if (this.#filters.has(filter)) return;
    this.#filters.add(filter);
    if (this.#client !== undefined) this.#ask(this.#client, filter, this.#delays());
  }

  unsubscribe(filter: string): void {
    if (!this.#filters.delete(filter)) return;
    this.#refused.get(filter)?.cancel();
    this.#refused.delete(filter);
    this.#client?.unsubscribe(filter);
  }

  stop(): Promise<void> {
    this.#forgetRetries();
    // A good-bye keeps the will from being said.
    const { presence } = this.#options;
    if (presence !== undefined && this.#client !== undefined) this.#say(this.#client, presence.gone);
    return this.link.stop();
  }

  #say(client: MqttClient, { topic, payload, qos, retain }: OutboxMessage): void {
    client.publish(topic, payload, { qos, retain }, () => undefined);
  }

  #up(client: MqttClient): void {
    this.#client = client;
    const { presence } = this.#options;
    if (presence !== undefined) {
      // In this order: the others know of us, and we of them, before the first request comes.
      presence.others.clear();
      this.#say(client, presence.here);
      this.#ask(client, presence.filter, this.#delays());
    }
    for (const filter of this.#filters) this.#ask(client, filter, this.#delays());
  }

  #down(): void {
    this.#client = undefined;
    this.#acks = new AckQueue();
    this.#held = undefined;
    this.#pending = 0;
    this.#forgetRetries();
  }

  #forgetRetries(): void {
    for (const timer of this.#refused.values()) timer.cancel();
    this.#refused.clear();
  }

  /** One SUBSCRIBE per filter: the one that is refused is known by name. */
  #ask(client: MqttClient, filter: string, delays: Generator<number, never>): void {
    client.subscribe(filter, { qos: QOS }, (error, granted) => {
      if (client !== this.#client || !(this.#filters.has(filter) || filter === this.#options.presence?.filter)) return;
      const refused = granted?.some(({ qos }) => qos === REFUSED) === true;
      if (error === null && !refused) return;
      const retryMs = Math.round(delays.next().value);
      const reason = error === null ? 'refused' : messageOf(error);
      this.#options.log.warn('mqtt.external.subscription.refused', { filter, reason, retryMs });
      const again = (): void => {
        this.#refused.delete(filter);
        if (client === this.#client) this.#ask(client, filter, delays);
      };
      this.#refused.set(filter, this.#options.clock.timer(retryMs, again));
    });
  }

  #incoming(client: MqttClient, packet: IPublishPacket, done: (error?: Error) => void): void {
    const settled = this.#handle(packet);
    const ack = packet.qos === 0 ? undefined : this.#ack(client, packet.messageId ?? 0);
    // The library acknowledges unless it is told of an error; then it only goes on, and the PUBACK is ours.
    const next = ack === undefined ? () => done() : () => done(new Error('acknowledged later'));
    if (settled === undefined) {
      ack?.ready();
      return next();
    }
    const acks = this.#acks;
    this.#pending++;
    settled
      .then(
        () => ack?.ready(),
        (error: unknown) => {
          ack?.giveUp();
          this.#options.log.error('mqtt.external.message.failed', { topic: packet.topic, error: messageOf(error) });
        },
      )
      .finally(() => this.#settled(acks))
      .catch(() => undefined);
    if (this.#pending < WINDOW) next();
    else this.#held = next;
  }

  #settled(acks: AckQueue): void {
    if (acks !== this.#acks) return; // of a connection that is gone
    this.#pending--;
    const next = this.#held;
    this.#held = undefined;
    next?.();
  }

  #handle({ topic, payload, qos, retain }: IPublishPacket): Promise<void> | undefined {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const { presence, handler } = this.#options;
    const heard = presence?.take(topic, bytes) ?? 'none';
    if (heard === 'renew' && presence !== undefined && this.#client !== undefined) this.#say(this.#client, presence.here);
    if (heard !== 'none') return undefined;
    try {
      return handler({ topic, payload: bytes, qos, retain });
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  #ack(client: MqttClient, messageId: number): ReturnType<AckQueue['add']> {
    return this.#acks.add(() => {
      if (client === this.#client) client.stream.write(Buffer.from([PUBACK, 2, messageId >> 8, messageId & 0xff]));
    });
  }

  #delays(): Generator<number, never> {
    return backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => this.#options.clock.random());
  }
}
