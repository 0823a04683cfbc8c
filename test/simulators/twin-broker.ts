/** Owns a broker and a device twin in memory: what a mapper host sees of the edge, obeying reference/mqtt-topics.md section 6. */
import type { PubSub } from '#mappers/contract.ts';
import type { Doubt } from '#wire/quality.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';

interface Twin {
  type: string;
  expected?: { value: string; metadata: { timestamp: number } };
  actual?: { value: string; metadata: { timestamp: number } };
  quality?: Doubt | undefined;
  settled: boolean;
}

export interface Update {
  actual?: { value: string; metadata: { timestamp: number } };
  metadata: { type: string };
  write?: WriteOutcome;
  quality?: Doubt;
}

export interface Published {
  topic: string;
  message: Record<string, unknown>;
}

type Handler = (topic: string, payload: Buffer) => void;

/** Messages reach handlers in a later turn and in order, as in the broker's in-process port. */
export class TwinBroker implements PubSub {
  /** Everything the mapper published, in order. */
  readonly published: Published[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #devices = new Map<string, Map<string, Twin>>();
  #stamp = 1_700_000_000_000;
  /** False: like an edge that is no Hivelet, it does not say what was settled. */
  tellsSettled = true;
  silent = false;

  publish(topic: string, payload: string): void {
    const message = JSON.parse(payload) as Record<string, unknown>;
    this.published.push({ topic, message });
    const [, , , device = '', ...action] = topic.split('/');
    if (action.join('/') === 'twin/get') this.#get(device, message);
    if (action.join('/') === 'twin/update') this.#update(device, message);
  }

  /** Publishes that wait, so that a test can be a slow store. Each entry lets one through. */
  held: (() => void)[] | undefined;

  /** As the broker's port: settles when it is stored. */
  async commit(topic: string, payload: Buffer): Promise<void> {
    const { held } = this;
    if (held !== undefined) await new Promise<void>((resolve) => held.push(resolve));
    this.publish(topic, payload.toString('utf8'));
  }

  subscribe(filter: string, handler: Handler): void {
    this.#handlers.set(filter, handler);
  }

  unsubscribe(filter: string): void {
    this.#handlers.delete(filter);
  }

  get subscriptions(): string[] {
    return [...this.#handlers.keys()];
  }

  /** Makes the device known, with values from an earlier life if given. */
  addDevice(name: string, twins: Record<string, { type?: string; expected?: string; actual?: string; settled?: boolean }> = {}): void {
    const entries = Object.entries(twins).map(([key, { type = 'float', expected, actual, settled = false }]): [string, Twin] => [
      key,
      {
        type,
        settled,
        ...(expected === undefined ? {} : { expected: { value: expected, metadata: { timestamp: this.#stamp++ } } }),
        ...(actual === undefined ? {} : { actual: { value: actual, metadata: { timestamp: this.#stamp++ } } }),
      },
    ]);
    this.#devices.set(name, new Map(entries));
  }

  /** Somebody sets a desired value; undefined withdraws it. */
  desire(device: string, property: string, value: string | undefined): void {
    const twin = this.#twin(device, property);
    twin.settled = false;
    if (value === undefined) delete twin.expected;
    else twin.expected = { value, metadata: { timestamp: this.#stamp++ } };
    this.#delta(device);
  }

  /** The delta again, as after each report. */
  repeatDelta(device: string): void {
    this.#delta(device);
  }

  actual(device: string, property: string): string | undefined {
    return this.#devices.get(device)?.get(property)?.actual?.value;
  }

  updates(device: string): Record<string, string>[] {
    return this.#of(device, 'twin/update').map(({ message }) =>
      Object.fromEntries(
        Object.entries(message.twin as Record<string, Update>).flatMap(([name, { actual }]) =>
          actual === undefined ? [] : [[name, actual.value]],
        ),
      ),
    );
  }

  /** Everything the mapper said of a property, in order. */
  told(device: string, property: string): Update[] {
    return this.#of(device, 'twin/update').flatMap(({ message }) => (message.twin as Record<string, Update>)[property] ?? []);
  }

  /** What the mapper said of the desired values of a property, in order. */
  outcomes(device: string, property: string): WriteOutcome[] {
    return this.#of(device, 'twin/update').flatMap(({ message }) => (message.twin as Record<string, Update>)[property]?.write ?? []);
  }

  states(device: string): { state: string; reason?: string }[] {
    return this.#of(device, 'state/update').map(({ message }) => {
      const { state, reason } = message as { state: string; reason?: string };
      return reason === undefined ? { state } : { state, reason };
    });
  }

  lastState(device: string): { state: string; reason?: string } | undefined {
    return this.states(device).at(-1);
  }

  deliver(topic: string, message: unknown): void {
    const payload = Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
    setImmediate(() => this.#handlers.get(topic)?.(topic, payload));
  }

  #of(device: string, action: string): Published[] {
    return this.published.filter(({ topic }) => topic === `$hw/events/device/${device}/${action}`);
  }

  #twin(device: string, property: string): Twin {
    const twins = this.#devices.get(device) ?? new Map<string, Twin>();
    this.#devices.set(device, twins);
    const twin = twins.get(property) ?? { type: 'float', settled: false };
    twins.set(property, twin);
    return twin;
  }

  #get(device: string, { event_id }: Record<string, unknown>): void {
    if (this.silent) return;
    const twins = this.#devices.get(device);
    const topic = `$hw/events/device/${device}/twin/get/result`;
    if (twins === undefined)
      return this.deliver(topic, { event_id, timestamp: 0, code: 404, reason: `Device ${device} not found while getting twin` });
    this.deliver(topic, { event_id, timestamp: 0, twin: Object.fromEntries([...twins].map(([name, twin]) => [name, this.#shown(twin)])) });
  }

  #shown({ expected, actual, type, settled, quality }: Twin): object {
    const mark = this.tellsSettled ? { settled } : {};
    const doubt = quality === undefined ? {} : { quality: quality.word, reason: quality.reason };
    return {
      ...(expected === undefined ? {} : { expected: { value: expected.value, metadata: { ...expected.metadata, ...mark } } }),
      ...(actual === undefined ? { quality } : { actual: { value: actual.value, metadata: { ...actual.metadata, ...doubt } } }),
      optional: false,
      metadata: { type },
    };
  }

  #update(device: string, { twin }: Record<string, unknown>): void {
    if (!this.#devices.has(device)) return;
    for (const [name, { actual, metadata, quality }] of Object.entries(twin as Record<string, Update>)) {
      if (actual === undefined && quality === undefined) continue;
      const stored = this.#twin(device, name);
      stored.quality = quality;
      if (actual === undefined) continue;
      stored.type = metadata.type;
      stored.actual = { value: actual.value, metadata: { timestamp: this.#stamp++ } };
      if (stored.expected?.value === actual.value) stored.settled = true;
    }
    this.#delta(device);
  }

  #delta(device: string): void {
    const twins = [...(this.#devices.get(device) ?? [])];
    const differing = twins.filter(([, { expected, actual }]) => expected !== undefined && expected.value !== actual?.value);
    if (differing.length === 0) return;
    this.deliver(`$hw/events/device/${device}/twin/update/delta`, {
      event_id: 'delta',
      timestamp: 0,
      twin: Object.fromEntries(twins.filter(([, { expected }]) => expected !== undefined).map(([name, twin]) => [name, this.#shown(twin)])),
      delta: Object.fromEntries(differing.map(([name, { expected }]) => [name, expected?.value])),
    });
  }
}
