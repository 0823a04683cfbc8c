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
  const ask = (device: string, how: 'read' | 'probe'): Promise<string> =>
    link[how](async () => {
      if (!dead.has(device)) return `${device} at ${clock.monotonic()}`;
      await clock.sleep(TIMEOUT_MS);
      throw new HiveletError('DEVICE_UNREACHABLE', `${device} does not answer`);
    }, signal);
  return { clock, link, dead, ask };
}

/** Each of them is asked in vain. */
async function loseAll({ clock, ask }: Line, devices: readonly string[]): Promise<void> {
  for (const device of devices) {
    const lost = ask(device, 'read').catch(() => undefined);
    await clock.advance(TIMEOUT_MS);
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
