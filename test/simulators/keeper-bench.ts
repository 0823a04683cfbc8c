/** Owns the bench for the keeper of a mapper process: virtual time, a process and a broker that obey the test. */
import { duplexPair, type Duplex } from 'node:stream';
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { Channel } from '#mappers/isolation/channel.ts';
import type { Frame } from '#mappers/isolation/frames.ts';
import { Keeper } from '#mappers/isolation/keeper.ts';
import type { Life, Place } from '#mappers/isolation/life.ts';
import type { MapperPort } from '#mappers/isolation/session.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { profile, property } from './profiles.ts';

/** A process that obeys the test. */
export class FakeLife implements Life {
  readonly stream: Duplex;
  readonly pid = undefined;
  readonly ended: Promise<string>;
  readonly heard: Frame[] = [];
  readonly channel: Channel;
  stops = 0;
  kills = 0;
  answers = true;
  #end: (how: string) => void = () => undefined;

  constructor(greeting: object) {
    const [ours, theirs] = duplexPair();
    this.stream = ours;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.channel = new Channel({
      stream: theirs,
      onFrame: (frame) => {
        this.heard.push(frame);
        if (this.answers && this.types().at(-1) === 'ping') this.channel.tell({ type: 'pong' });
      },
      onEnd: () => undefined,
    });
    this.channel.tell(greeting);
  }

  types(): unknown[] {
    return this.heard.map((frame) => (frame.kind === 'json' ? (frame.body as { type: string }).type : frame.topic));
  }

  says(device: string, state: string): void {
    const payload = Buffer.from(JSON.stringify({ state }));
    this.channel.send({ kind: 'mqtt', to: 0, topic: `$hw/events/device/${device}/state/update`, payload });
  }

  die(how: string): void {
    this.channel.close();
    this.#end(how);
  }

  async stop(): Promise<void> {
    this.stops++;
    this.#end('stopped');
  }

  async kill(): Promise<void> {
    this.kills++;
    this.#end('killed');
  }
}

class FakePlace implements Place {
  readonly lives: FakeLife[] = [];
  readonly startedAt: number[] = [];
  readonly #clock: FakeClock;
  releases = 0;
  refusal: Error | undefined;
  greeting: object = { type: 'hello', version: '1', plugin: 'trial', pid: 42 };
  absence?: string;
  /** Nobody comes. */
  isAbsent = false;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  async start(signal: AbortSignal): Promise<Life> {
    this.startedAt.push(this.#clock.monotonic());
    if (this.refusal !== undefined) throw this.refusal;
    if (this.isAbsent) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
    const life = new FakeLife(this.greeting);
    this.lives.push(life);
    return life;
  }

  async release(): Promise<void> {
    this.releases++;
  }

  get life(): FakeLife {
    return this.lives.at(-1)!;
  }
}

export interface KeeperBench {
  clock: FakeClock;
  place: FakePlace;
  keeper: Keeper;
  told: string[];
  published: string[];
  filters: Map<string, (topic: string, payload: Buffer) => void>;
  log: LogLine[];
  /** Publishes that are not committed yet. */
  held: (() => void)[] | undefined;
  ports: number;
}

/** The suite with a keeper in virtual time; after each test nothing of it is left. */
export function keeperSuite(name: string): Test<KeeperBench> {
  const test = suite<KeeperBench>(name);

  test.before.each((bench) => {
    const clock = new FakeClock();
    Object.assign(bench, {
      clock,
      place: new FakePlace(clock),
      told: [],
      published: [],
      filters: new Map(),
      log: [],
      held: undefined,
      ports: 0,
    });
    const port = (): MapperPort => {
      bench.ports++;
      return {
        commit: async (topic) => {
          bench.published.push(topic);
          if (bench.held !== undefined) await new Promise<void>((resolve) => bench.held?.push(resolve));
        },
        subscribe: (filter, handler) => bench.filters.set(filter, handler),
        unsubscribe: (filter) => bench.filters.delete(filter),
        close: () => bench.ports--,
      };
    };
    bench.keeper = new Keeper({
      hello: { type: 'hello', version: '1', plugin: 'trial', options: {} },
      place: bench.place,
      port,
      secrets: { resolve: (reference) => Promise.resolve(Buffer.from(`content of ${reference}`)) },
      faultOf: ({ name }) => ({ tell: (reason) => bench.told.push(`${name}: ${reason}`), stop: () => bench.told.push(`${name} stopped`) }),
      clock,
      log: createLogger({ clock, level: 'debug', write: (line) => bench.log.push(line) }),
    });
  });

  test.after.each(async ({ keeper, clock, ports, filters }) => {
    await keeper.stop();
    assert.is(clock.pending, 0, 'no timer is left');
    assert.is(ports >= 0 && filters.size, 0);
  });

  return test;
}

export const device = (name = 'pump', config: Record<string, unknown> = {}): DeviceProfile =>
  profile(name, { protocol: 'trial', config, properties: [property('trial', 'speed')] });
