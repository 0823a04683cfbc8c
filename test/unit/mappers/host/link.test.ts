/** Proves who is asked when on a link that several devices share: dead ones cost the others little, and all dead ones cost nobody. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { MapperPlugin } from '#mappers/contract.ts';
import { LinkPool, type Link } from '#mappers/host/link.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const TIMEOUT_MS = 5000;

interface Line {
  clock: FakeClock;
  link: Link;
  dead: Set<string>;
  timeoutMs: number;
  /** Asks one device. */
  ask(device: string, how: 'read' | 'probe'): Promise<string>;
}

function lineOf(users: number): Line {
  const clock = new FakeClock();
  const dead = new Set<string>();
  const connection = {
    read: async () => [],
    write: async () => undefined,
    lost: new Promise<void>(() => undefined),
    close: async () => undefined,
  };
  const plugin: MapperPlugin = {
    protocol: 'line',
    link: (input) => input,
    access: (input) => input,
    linkKey: () => 'line',
    open: async () => connection,
  };
  const pool = new LinkPool({ clock, log: silentLogger() });
  const [link] = Array.from({ length: users }, () => pool.join(plugin, {}));
  if (link === undefined) throw new Error('nobody uses it');
  const { signal } = new AbortController();
  const ask: Line['ask'] = (device, how) =>
    link[how](async () => {
      if (!dead.has(device)) return `${device} at ${clock.monotonic()}`;
      await clock.sleep(line.timeoutMs);
      throw new HiveletError('DEVICE_UNREACHABLE', `${device} does not answer`);
    }, signal);
  const line: Line = { clock, link, dead, timeoutMs: TIMEOUT_MS, ask };
  return line;
}

/** Each of them is asked in vain. */
async function loseAll({ clock, ask, timeoutMs }: Line, devices: readonly string[]): Promise<void> {
  for (const device of devices) {
    const lost = ask(device, 'read').catch(() => undefined);
    await clock.advance(timeoutMs);
    await lost;
  }
}

test('a plugin that fails with an error of its own is told with its words', async () => {
  const plugin: MapperPlugin = {
    protocol: 'line',
    link: (input) => input,
    access: (input) => input,
    linkKey: () => 'line',
    open: () => Promise.reject(new TypeError('port.write is not a function')),
  };
  const link = new LinkPool({ clock: new FakeClock(), log: silentLogger() }).join(plugin, {});
  const failure = await link.read(async () => undefined, new AbortController().signal).catch((error: unknown) => error);
  assert.ok(isHiveletError(failure, 'DEVICE_UNREACHABLE'));
  assert.is(failure.message, 'line cannot be opened: port.write is not a function');
});

test('while others answer, a dead one is asked again when its time-out is earned back', async () => {
  const line = lineOf(3);
  const { clock, dead, ask } = line;
  dead.add('a');
  await loseAll(line, ['a']);
  dead.clear();
  const from = clock.monotonic();
  const back = ask('a', 'probe');
  await clock.advance(90_000);
  assert.is(await ask('b', 'read'), `b at ${clock.monotonic()}`);
  await clock.advance(30_000);
  const waited = Number((await back).replace('a at ', '')) - from;
  assert.ok(waited > 100_000 && waited < 107_000, `${waited} ms: 5 s are less than 5 % of it`);
});

test('a living one that fails every few seconds keeps no dead one from being asked again within half a minute', async () => {
  const line = lineOf(3);
  line.timeoutMs = 300;
  const { clock, dead, ask } = line;
  dead.add('a').add('flaky');
  await loseAll(line, ['a', 'a']);
  const tried: number[] = [];
  const until = clock.monotonic() + 300_000;
  const probing = async (): Promise<void> => {
    while (clock.monotonic() < until) {
      await ask('a', 'probe').catch(() => undefined);
      tried.push(clock.monotonic());
    }
  };
  const failing = async (): Promise<void> => {
    while (clock.monotonic() < until) {
      await ask('flaky', 'read').catch(() => undefined);
      await clock.sleep(3000);
    }
  };
  const from = clock.monotonic();
  const both = Promise.all([probing(), failing()]);
  await clock.advance(400_000);
  await both;
  const waits = tried.map((at, index) => at - (tried[index - 1] ?? from));
  assert.ok(waits.length >= 9 && waits.every((ms) => ms <= 31_000 && ms > 6000), waits.join(' '));
});

test('a line that was cut is back for all as soon as it is back for one', async () => {
  const line = lineOf(3);
  const { clock, dead, ask } = line;
  for (const device of ['a', 'b', 'c']) dead.add(device);
  await loseAll(line, ['a', 'b', 'c', 'a', 'b', 'c']);
  // Each time-out of the outage would have to be earned back: ten minutes.
  const untilBack = async (device: string): Promise<string> => {
    for (;;) {
      const answer = await ask(device, 'probe').catch(() => undefined);
      if (answer !== undefined) return device;
      await clock.sleep(1000);
    }
  };
  const back: string[] = [];
  for (const device of ['a', 'b', 'c']) void untilBack(device).then((name) => back.push(name));
  await clock.advance(30_000);
  assert.equal(back, []);
  dead.clear();
  await clock.advance(TIMEOUT_MS + 3000);
  assert.equal(back.sort(), ['a', 'b', 'c']);
});

test.run();
