/** Owns the talk with one device's twin: asks what is desired until it answers, then follows its deltas. */
import type { Clock } from '#beehive/clock.ts';
import { backoff } from '#beehive/retry.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { PubSub } from '../contract.ts';
import { Background } from './abortable.ts';
import { FIRST_RETRY_MS, LAST_RETRY_MS } from './link.ts';
import { parseDelta, parseGetResult, twinGet, type Delta, type KnownTwin } from './twin-messages.ts';

export interface TwinDialogueDeps {
  device: string;
  mqtt: PubSub;
  clock: Clock;
  /** Aborts when the device is no longer served. */
  signal: AbortSignal;
  /** `askedAt`: monotonic ms of the question; what was reported later may not be in it. */
  onAnswer(twins: ReadonlyMap<string, KnownTwin>, askedAt: number): void;
  onDelta(delta: Delta): void;
}

export class TwinDialogue {
  readonly #deps: TwinDialogueDeps;
  readonly #background = new Background();
  #question = 0;
  #answered = false;
  #askedAt = -Infinity;

  constructor(deps: TwinDialogueDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { mqtt, device } = this.#deps;
    mqtt.subscribe(deviceTopic.twinDelta(device), (_topic, payload) => this.#onDelta(payload));
    mqtt.subscribe(deviceTopic.twinGetResult(device), (_topic, payload) => this.#onGetResult(payload));
    this.ask();
  }

  /** Asks anew: until the answer, deltas do not count. */
  ask(): void {
    this.#answered = false;
    this.#background.run(this.#ask(++this.#question));
  }

  /** After the signal aborted: resolves when nothing is pending. */
  async stop(): Promise<void> {
    const { mqtt, device } = this.#deps;
    mqtt.unsubscribe(deviceTopic.twinDelta(device));
    mqtt.unsubscribe(deviceTopic.twinGetResult(device));
    await this.#background.settled();
  }

  /** Again and again: the twin may not know the device yet. */
  async #ask(question: number): Promise<void> {
    const { mqtt, clock, device, signal } = this.#deps;
    const pauses = backoff(FIRST_RETRY_MS, LAST_RETRY_MS, () => clock.random());
    try {
      while (!this.#answered && question === this.#question) {
        this.#askedAt = clock.monotonic();
        mqtt.publish(deviceTopic.twinGet(device), twinGet(this.#eventId(), clock.now()));
        await clock.sleep(FIRST_RETRY_MS / 2 + pauses.next().value, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #eventId(): string {
    return `mapper-${this.#question}`;
  }

  #onGetResult(payload: Buffer): void {
    const result = this.#answered ? undefined : parseGetResult(payload, this.#eventId());
    if (result === undefined || 'unknown' in result) return;
    this.#answered = true;
    this.#deps.onAnswer(result.twins, this.#askedAt);
  }

  /** Before the first answer a delta cannot be judged: it does not say what was reached before. */
  #onDelta(payload: Buffer): void {
    const delta = this.#answered ? parseDelta(payload) : undefined;
    if (delta !== undefined) this.#deps.onDelta(delta);
  }
}
