/** Owns one short talk with a broker: questions with their answers, and listening. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { MqttClient } from 'mqtt';
import { abortable } from '#beehive/abortable.ts';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { fieldsOf, type Fields } from '#device-models/fields.ts';
import { topicMatches } from '#wire/topics.ts';

export interface MqttAddress {
  /** tcp://host:port, mqtts://host:port */
  url: string;
  username?: string;
  password?: string;
}

const CONNECT_MS = 5_000;
const ANSWER_MS = 5_000;

type Listener = (topic: string, payload: Buffer) => void;

export class MqttConversation {
  readonly url: string;
  readonly #client: MqttClient;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #listeners = new Set<{ filters: readonly string[]; listener: Listener }>();
  readonly #wakers = new Set<() => void>();
  #lost: Error | undefined;

  private constructor(client: MqttClient, options: { url: string; clock: Clock; signal: AbortSignal }) {
    this.url = options.url;
    this.#client = client;
    this.#clock = options.clock;
    this.#signal = options.signal;
    client.on('message', (topic, payload) => {
      for (const { filters, listener } of this.#listeners)
        if (filters.some((filter) => topicMatches(filter, topic))) listener(topic, payload);
      this.#wake();
    });
    client.on('close', () => {
      this.#lost ??= new HiveletError('LINK_CLOSED', `the broker at ${this.url} closed the connection`);
      this.#wake();
    });
    client.on('error', () => undefined);
    options.signal.addEventListener('abort', () => this.#wake());
  }

  /** Throws LINK_CLOSED when nobody answers there. */
  static async connect(address: MqttAddress, { clock, signal }: { clock: Clock; signal: AbortSignal }): Promise<MqttConversation> {
    const { connectAsync } = await import('../../../edge/eventbus/mqtt-client.ts');
    const { url, username, password } = address;
    try {
      const connecting = connectAsync(url, {
        protocolVersion: 4,
        clientId: `hivelet-cli-${randomUUID().slice(0, 8)}`,
        connectTimeout: CONNECT_MS,
        reconnectPeriod: 0,
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      });
      const client = await abortable(connecting, signal).catch((error: unknown) => {
        void connecting.then(
          (late) => late.end(true),
          () => undefined,
        );
        throw error;
      });
      // Nagle's algorithm would cost 40 ms per answer.
      (client.stream as Partial<Socket>).setNoDelay?.(true);
      return new MqttConversation(client, { url, clock, signal });
    } catch (cause) {
      signal.throwIfAborted();
      const said = messageOf(cause);
      throw new HiveletError(
        'LINK_CLOSED',
        `no MQTT broker answers at ${url}${said === '' ? '' : ` (${said})`}: start \`hivelet edge\`, or name another with --mqtt`,
        { cause },
      );
    }
  }

  /** Publishes `body` with an event id and resolves with the answer that echoes it. Throws BUS_TIMEOUT. */
  async ask(topic: string, body: Fields, resultTopic: string): Promise<{ topic: string; body: Fields }> {
    const eventId = randomUUID();
    let answer: { topic: string; body: Fields } | undefined;
    const stop = await this.listen([resultTopic], (from, received) => {
      if (received['event_id'] === eventId) answer = { topic: from, body: received };
    });
    try {
      const payload = JSON.stringify({ event_id: eventId, timestamp: this.#clock.now(), ...body });
      await this.#client.publishAsync(topic, payload, { qos: 1 });
      await this.until(() => answer !== undefined, ANSWER_MS);
    } finally {
      await stop();
    }
    if (answer !== undefined) return answer;
    throw new HiveletError(
      'BUS_TIMEOUT',
      `the broker at ${this.url} is there, but no edge answered on ${resultTopic} in ${ANSWER_MS / 1000} s`,
    );
  }

  /** JSON objects on these filters; other payloads are left out. The result ends it. */
  listen(filters: readonly string[], listener: (topic: string, body: Fields) => void): Promise<() => Promise<void>> {
    return this.#subscribe(filters, (topic, payload) => {
      const body = parse(payload);
      if (body !== undefined) listener(topic, body);
    });
  }

  listenRaw(filters: readonly string[], listener: (topic: string, payload: string) => void): Promise<() => Promise<void>> {
    return this.#subscribe(filters, (topic, payload) => listener(topic, payload.toString('utf8')));
  }

  /** Resolves once `done`, asked at each message, or when the time is over. Throws when the connection is lost or the command is stopped. */
  async until(done: () => boolean, ms: number): Promise<void> {
    let over = false;
    const timer = this.#clock.timer(ms, () => {
      over = true;
      this.#wake();
    });
    try {
      while (!over && !done()) {
        this.#check();
        await new Promise<void>((resolve) => this.#wakers.add(resolve));
      }
    } finally {
      timer.cancel();
    }
  }

  /** Resolves when `signal` aborts; throws when the connection is lost first. */
  async untilEnd(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake());
    while (!signal.aborted) {
      this.#check();
      await new Promise<void>((resolve) => this.#wakers.add(resolve));
    }
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true);
  }

  #check(): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#signal.throwIfAborted();
  }

  async #subscribe(filters: readonly string[], listener: Listener): Promise<() => Promise<void>> {
    const entry = { filters, listener };
    this.#listeners.add(entry);
    await this.#client.subscribeAsync([...filters], { qos: 1 });
    return async () => {
      this.#listeners.delete(entry);
      const unused = filters.filter((filter) => ![...this.#listeners].some((other) => other.filters.includes(filter)));
      if (unused.length > 0 && this.#lost === undefined) await this.#client.unsubscribeAsync(unused);
    };
  }

  #wake(): void {
    const waiting = [...this.#wakers];
    this.#wakers.clear();
    for (const wake of waiting) wake();
  }
}

function parse(payload: Buffer): Fields | undefined {
  try {
    return fieldsOf(JSON.parse(payload.toString('utf8')));
  } catch {
    // Not for us: other programs publish what they like.
    return undefined;
  }
}
