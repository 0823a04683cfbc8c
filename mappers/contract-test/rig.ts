/** Owns what one case stands on: the device, connections to it, and the proof at its end that nothing is left pending. */
import { strict as assert } from 'node:assert';
import { getEventListeners } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { systemClock, type Clock, type Timer } from '#beehive/clock.ts';
import { messageOf, type ErrorCode } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { Connection, MapperPlugin, Point, PluginContext, Reading, RequestOptions } from '../contract.ts';
import type { ContractHarness, DeviceUnderTest, TestPoint } from './harness.ts';

/** What is sure to happen at once takes no longer on a machine that is busy. */
export const PROMPT_MS = 2000;
const PATIENCE_MS = 5000;

export class Rig<Link, Access> {
  readonly plugin: MapperPlugin<Link, Access>;
  readonly device: DeviceUnderTest;
  readonly patienceMs: number;
  readonly mostPoints: number;
  readonly clock = new CountingClock();
  readonly link: Link;
  /** Of the requests; the host's lives as long as a device is served. */
  readonly requests = new AbortController();
  readonly #links: AbortController[] = [];
  readonly #connections: Connection<Link, Access>[] = [];
  /** Promises that were given to the host, with what each is. */
  readonly #pending = new Map<Promise<unknown>, string>();

  constructor({ plugin, patienceMs = PATIENCE_MS, mostPoints = 1000 }: ContractHarness<Link, Access>, device: DeviceUnderTest) {
    this.plugin = plugin;
    this.device = device;
    this.patienceMs = patienceMs;
    this.mostPoints = mostPoints;
    this.link = plugin.link({ ...device.link }, 'spec.protocol');
  }

  /** Opens a connection as the host does; `controller` ends it. */
  open(controller = new AbortController()): Promise<Connection<Link, Access>> {
    this.#links.push(controller);
    const context: PluginContext = { clock: this.clock, log: silentLogger(), signal: controller.signal };
    const opening = this.plugin.open(this.link, context).then((connection) => {
      this.#connections.push(connection);
      return connection;
    });
    return this.#watched(opening, 'open');
  }

  /** Again and again, as the host does: after a fault a device may need a moment. */
  async reopen(): Promise<Connection<Link, Access>> {
    const deadline = systemClock.monotonic() + this.patienceMs;
    for (;;) {
      try {
        return await this.open();
      } catch (error) {
        if (systemClock.monotonic() > deadline) throw error;
        await systemClock.sleep(50);
      }
    }
  }

  /** A plugin may answer from what it has read less than its shortest cycle ago. */
  nextCycle(): Promise<void> {
    return systemClock.sleep(this.plugin.minimumCycleMs ?? 0);
  }

  points(tests: readonly TestPoint[]): Point<Access>[] {
    return tests.map(({ name, type, visitor, minimum }) => ({
      name,
      type,
      access: this.plugin.access({ ...visitor }, `visitor of ${name}`, { name, type, ...(minimum === undefined ? {} : { minimum }) }),
    }));
  }

  read(
    connection: Connection<Link, Access>,
    tests: readonly TestPoint[],
    options: RequestOptions = { signal: this.requests.signal },
  ): Promise<readonly Reading[]> {
    return this.#watched(connection.read(this.link, this.points(tests), options), 'read');
  }

  write(
    connection: Connection<Link, Access>,
    { point, value }: { point: TestPoint; value: Parameters<Connection['write']>[1]['value'] },
    options: RequestOptions = { signal: this.requests.signal, urgent: true },
  ): Promise<void> {
    const [bound] = this.points([point]);
    assert.ok(bound);
    return this.#watched(connection.write(this.link, { point: bound, value }, options), 'write');
  }

  subscribe(
    connection: Connection<Link, Access>,
    tests: readonly TestPoint[],
    emit: (readings: readonly Reading[]) => void,
  ): Promise<ReadonlySet<string>> {
    if (connection.subscribe === undefined) throw new Error('the connection has no subscribe');
    const points = this.points(tests).map((point) => ({ ...point, sampling: { everyMs: 100 } }));
    return this.#watched(connection.subscribe(this.link, points, emit, this.requests.signal), 'subscribe');
  }

  /** The value of each reading; fails when a point failed. */
  values(readings: readonly Reading[]): Map<string, unknown> {
    return new Map(
      readings.map((reading) => {
        assert.ok('value' in reading, `${reading.name} is read, not: ${'error' in reading ? reading.error : ''}`);
        return [reading.name, reading.value];
      }),
    );
  }

  /** Closes everything and asserts that it is gone; `device.stop` is left to the caller. */
  async finish(): Promise<void> {
    const stopped = new Error('the case is over');
    this.requests.abort(stopped);
    for (const connection of this.#connections) await settled(connection.close(), { what: 'close', ms: this.patienceMs });
    for (const controller of this.#links) controller.abort(stopped);
    for (const [promise, what] of this.#pending)
      await settled(promise, { what: `${what} that was under way when the connection was closed`, ms: PROMPT_MS });
    await eventually(() => this.clock.pending === 0, { what: 'every timer to be cancelled after close', ms: PROMPT_MS });
    assert.equal(getEventListeners(this.requests.signal, 'abort').length, 0, 'no request listens to its signal after close');
    const { connections } = this.device;
    if (connections !== undefined)
      await eventually(() => connections() === 0, {
        what: 'the device to see no connection after close',
        ms: this.patienceMs,
      });
  }

  #watched<T>(promise: Promise<T>, what: string): Promise<T> {
    this.#pending.set(promise, what);
    promise.then(
      () => this.#pending.delete(promise),
      () => this.#pending.delete(promise),
    );
    return promise;
  }
}

/** The system's clock, which knows what still waits for it. */
class CountingClock implements Clock {
  readonly #timers = new Set<Timer>();
  readonly #sleeping = new Set<Promise<void>>();

  /** Timers that are armed, and sleeps that go on. */
  get pending(): number {
    return this.#timers.size + this.#sleeping.size;
  }

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  timer(ms: number, fire: () => void): Timer {
    const inner = systemClock.timer(ms, () => {
      this.#timers.delete(timer);
      fire();
    });
    const timer: Timer = {
      cancel: () => {
        this.#timers.delete(timer);
        inner.cancel();
      },
    };
    this.#timers.add(timer);
    return timer;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const sleep: Promise<void> = systemClock.sleep(ms, signal).finally(() => this.#sleeping.delete(sleep));
    sleep.catch(() => undefined);
    this.#sleeping.add(sleep);
    return sleep;
  }

  random(): number {
    return systemClock.random();
  }
}

/** What it threw; fails when it succeeded or took longer. */
export async function failureOf(promise: Promise<unknown>, { what, ms }: { what: string; ms: number }): Promise<unknown> {
  const outcome = await settled(promise, { what, ms });
  assert.ok('error' in outcome, `${what} fails`);
  return outcome.error;
}

/** As `failureOf`, and it is the plugin's word for a device that does not answer. */
export async function unreachable(promise: Promise<unknown>, { what, ms }: { what: string; ms: number }): Promise<void> {
  isFailure(await failureOf(promise, { what, ms }), 'DEVICE_UNREACHABLE', what);
}

/** Of any class, as the host takes it from a plugin that was built apart. */
export function isFailure(error: unknown, code: ErrorCode, what: string): void {
  assert.ok(codeOf(error) === code, `${what} fails with ${code}, not with: ${describe(error)}`);
  assert.ok(error instanceof Error && error.message.length > 0, `${what} says why`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
}

function describe(error: unknown): string {
  const code = codeOf(error);
  return `${typeof code === 'string' ? `${code} ` : ''}${messageOf(error)}`;
}

/** Waits for the end of a promise, whatever it is; fails when there is none in time. */
export async function settled<T>(
  promise: Promise<T>,
  { what, ms }: { what: string; ms: number },
): Promise<{ value: T } | { error: unknown }> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = systemClock.timer(ms, () => reject(new Error(`${what} has not ended within ${ms} ms`)));
  });
  const outcome = promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  try {
    return await Promise.race([outcome, late]);
  } finally {
    timer?.cancel();
  }
}

/** Resolves when the condition holds. */
export async function eventually(holds: () => boolean, { what, ms }: { what: string; ms: number }): Promise<void> {
  const deadline = systemClock.monotonic() + ms;
  while (!holds()) {
    assert.ok(systemClock.monotonic() < deadline, `waited ${ms} ms in vain for ${what}`);
    await systemClock.sleep(10);
  }
}

/** Neither a timer of the system's clock nor a promise that hangs keeps a process alive: this does, until its result is called. */
export function keepAwake(): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.on('message', () => undefined);
  return () => {
    port1.close();
    port2.close();
  };
}
