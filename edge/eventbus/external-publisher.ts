/** Owns publishing to an external MQTT broker: nothing is lost while it is away, within a bound. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { MqttClient } from 'mqtt';
import { type ExternalAddress, ExternalLink } from './external-link.ts';
import { Outbox, type OutboxLimits, type OutboxMessage } from './external-outbox.ts';

export interface ExternalPublisherOptions {
  clock: Clock;
  log: Logger;
  address: ExternalAddress;
  clientId: string;
  buffer: OutboxLimits;
}

/** Publishes on their way at a time. */
const WINDOW = 100;
const FLUSH_MS = 1_000;
const DROP_LOG_MS = 60_000;

export class ExternalPublisher {
  readonly link: ExternalLink;
  readonly #options: ExternalPublisherOptions;
  readonly #outbox: Outbox;
  #client: MqttClient | undefined;
  #sending = false;
  #dropLog: Timer | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: ExternalPublisherOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.buffer);
    this.link = new ExternalLink({
      ...options,
      up: (client) => {
        this.#client = client;
        this.#send();
      },
      down: () => {
        this.#client = undefined;
        if (this.#outbox.returnSent() > 0) this.#logDrops();
      },
    });
  }

  get waiting(): number {
    return this.#outbox.size;
  }

  get dropped(): number {
    return this.#outbox.dropped;
  }

  publish(message: OutboxMessage): void {
    if (this.#outbox.add(message) > 0) this.#logDrops();
    this.#send();
  }

  /** Sends what waits for at most a second, then closes. */
  async stop(): Promise<void> {
    if (this.#client !== undefined && this.#outbox.size > 0) await this.#flushed();
    this.#dropLog?.cancel();
    await this.link.stop();
  }

  #send(): void {
    if (this.#sending) return; // the library confirms QoS 0 before publish() returns
    this.#sending = true;
    while (this.#client !== undefined && this.#outbox.inFlight < WINDOW) {
      const next = this.#outbox.take();
      if (next === undefined) break;
      const { topic, payload, qos, retain } = next.message;
      this.#client.publish(topic, payload, { qos, retain }, (error) => {
        if (error !== undefined && error !== null) return; // the link goes down and it is sent again
        next.delivered();
        this.#send();
      });
    }
    this.#sending = false;
    if (this.#outbox.size === 0) this.#emptied?.();
  }

  async #flushed(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.timer(FLUSH_MS, resolve);
      this.#emptied = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #logDrops(): void {
    const before = this.#outbox.dropped;
    const { clock, log } = this.#options;
    this.#dropLog ??= clock.timer(DROP_LOG_MS, () => {
      this.#dropLog = undefined;
      if (this.#outbox.dropped > before)
        log.warn('mqtt.external.dropped', { droppedSinceStart: this.#outbox.dropped, waiting: this.#outbox.size });
    });
    if (before <= 1) log.warn('mqtt.external.dropped', { droppedSinceStart: before, waiting: this.#outbox.size });
  }
}
