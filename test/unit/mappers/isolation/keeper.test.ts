/** Proves in virtual time when a plugin's process is started, stopped, and started again, and what is told of its devices meanwhile. */
import * as assert from 'uvu/assert';
import { device, keeperSuite } from '#test/simulators/keeper-bench.ts';

const test = keeperSuite('keeper');

test('it starts with the first device, and stops when the last one is gone for a while', async ({ keeper, clock, place }) => {
  await clock.advance(60_000);
  assert.is(keeper.status.state, 'idle');
  assert.equal(place.startedAt, []);
  keeper.set(device());
  keeper.set(device('other'));
  await clock.advance(100);
  assert.is(keeper.status.state, 'running');
  assert.is(keeper.status.pid, 42);
  assert.equal(place.life.types(), ['hello', 'ping', 'set', 'set']);
  keeper.removed('pump');
  keeper.removed('other');
  await clock.advance(4900);
  assert.is(place.life.stops, 0);
  await clock.advance(200);
  assert.is(place.life.stops, 1);
  assert.is(place.releases, 1);
  assert.is(keeper.status.state, 'idle');
});

test('a device that comes while it lingers keeps the process', async ({ keeper, clock, place }) => {
  keeper.set(device());
  await clock.advance(100);
  keeper.removed('pump');
  await clock.advance(4000);
  keeper.set(device());
  await clock.advance(60_000);
  assert.is(place.lives.length, 1);
  assert.is(keeper.status.state, 'running');
});

test('a dead process is started again with back-off, and its devices are told so until it speaks', async (bench) => {
  const { keeper, clock, place, told } = bench;
  keeper.set(device());
  await clock.advance(100);
  place.life.says('pump', 'online');
  await clock.advance(100);
  place.life.die('SIGABRT: free(): invalid pointer');
  await clock.settle();
  assert.equal(told, ['pump: the process of the mapper trial ended (SIGABRT: free(): invalid pointer) and is started again']);
  assert.is(keeper.status.state, 'waiting');
  assert.is(keeper.status.reason, 'SIGABRT: free(): invalid pointer');
  keeper.set(device('late'));
  assert.match(told.at(-1) ?? '', /^late: the process of the mapper trial ended/);
  await clock.advance(600);
  assert.is(keeper.status.state, 'running');
  assert.is(keeper.status.restarts, 1);
  assert.equal(place.life.types().filter((type) => type === 'set').length, 2);
  assert.is(told.length, 2);
  place.life.says('pump', 'offline');
  await clock.advance(10);
  assert.equal(told.slice(2), ['pump stopped']);
  assert.equal(
    keeper.devices().map(({ said }) => said?.word),
    ['offline', 'unhealthy'],
  );
});

test('the pauses grow to half a minute, and begin anew after a minute of life', async ({ keeper, clock, place }) => {
  keeper.set(device());
  await clock.advance(0);
  const bounds = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
  const pauses: number[] = [];
  for (const bound of bounds) {
    const before = clock.monotonic();
    place.life.die('exit code 1');
    await clock.settle();
    const lives = place.lives.length;
    await clock.advance(bound);
    assert.is(place.lives.length, lives + 1, `within ${String(bound)} ms`);
    pauses.push(place.startedAt.at(-1)! - before);
  }
  assert.ok(Math.max(...pauses) > 5000, pauses.join());
  await clock.advance(60_000);
  place.life.die('exit code 1');
  await clock.settle();
  const lives = place.lives.length;
  await clock.advance(500);
  assert.is(place.lives.length, lives + 1);
});

test('a process that cannot be started is tried again', async ({ keeper, clock, place, told }) => {
  place.refusal = new Error('spawn ENOMEM');
  keeper.set(device());
  await clock.advance(5000);
  assert.ok(place.startedAt.length > 2);
  assert.match(told[0] ?? '', /spawn ENOMEM/);
  place.refusal = undefined;
  await clock.advance(30_000);
  assert.is(keeper.status.state, 'running');
});

test('a process that gives no sign of life is killed', async ({ keeper, clock, place, told }) => {
  keeper.set(device());
  await clock.advance(20_000);
  const stuck = place.life;
  stuck.answers = false;
  await clock.advance(29_000);
  assert.is(stuck.kills, 0);
  await clock.advance(8000);
  assert.is(stuck.kills, 1);
  assert.match(told[0] ?? '', /it gave no sign of life for 30 s/);
});

test('a process that was busy and speaks again is left alone', async ({ keeper, clock, place }) => {
  keeper.set(device());
  await clock.advance(100);
  for (let round = 0; round < 5; round++) {
    place.life.answers = false;
    await clock.advance(25_000);
    place.life.answers = true;
    await clock.advance(10_000);
  }
  assert.is(place.life.kills, 0);
});

test('a new desired value is no news of a device, a new visitor is', async ({ keeper, clock, place }) => {
  keeper.set(device());
  await clock.advance(100);
  const desired = device();
  desired.properties[0]!.desired = { value: '7' };
  keeper.set(desired);
  const changed = device();
  changed.properties[0]!.collectCycleMs = 77;
  keeper.set(changed);
  await clock.settle();
  assert.is(place.life.types().filter((type) => type === 'set').length, 2);
});

test('a device that is too large for the stream costs itself only', async ({ keeper, clock, place, told }) => {
  keeper.set(device('huge', { note: 'x'.repeat(5_000_000) }));
  keeper.set(device());
  await clock.advance(100);
  assert.is(told.length, 1);
  assert.match(
    told[0] ?? '',
    /^huge: the device cannot be given to its mapper: a message of \d+ bytes is larger than the 4194304 allowed$/,
  );
  assert.is(keeper.status.state, 'running');
  assert.equal(place.life.types(), ['hello', 'ping', 'set']);
});

test('a process whose plugin misses something is made anew, rarer and rarer, and nobody is told', async ({
  keeper,
  clock,
  place,
  told,
}) => {
  keeper.set(device());
  const bornAt: number[] = [];
  for (const pauseMs of [15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]) {
    await clock.advance(0);
    bornAt.push(clock.monotonic());
    const { life } = place;
    life.channel.tell({ type: 'loaded' });
    life.channel.tell({ type: 'loaded', reason: 'no driver' });
    await clock.advance(pauseMs - 1);
    assert.equal([life.stops, keeper.status.reason], [0, 'no driver']);
    await clock.advance(1);
    assert.equal([life.stops, life.kills], [1, 0], `after ${String(pauseMs)} ms`);
  }
  assert.equal([keeper.status.restarts, told], [0, []]);
  // Now it is there; what goes missing in a process that worked is looked for soon again.
  place.life.channel.tell({ type: 'loaded' });
  await clock.advance(600_000);
  assert.equal([place.life.stops, keeper.status.loaded, keeper.status.reason], [0, true, undefined]);
  place.life.channel.tell({ type: 'loaded', reason: 'no driver' });
  const working = place.life;
  await clock.advance(15_000);
  assert.is(working.stops, 1);
});

test('a process that finds later what it missed is left alone', async ({ keeper, clock, place }) => {
  keeper.set(device());
  await clock.advance(0);
  place.life.channel.tell({ type: 'loaded', reason: 'no adapter' });
  await clock.advance(10_000);
  place.life.channel.tell({ type: 'loaded' });
  await clock.advance(600_000);
  assert.is(place.lives.length, 1);
});

test('where nobody comes for long, its devices say what to look at', async ({ keeper, clock, place, told }) => {
  place.absence = 'the service has not come';
  place.isAbsent = true;
  keeper.set(device());
  await clock.advance(14_000);
  assert.equal(told, []);
  await clock.advance(2000);
  assert.equal(told, ['pump: the service has not come']);
  await keeper.stop();
  assert.is(place.releases, 1);
});

test('a stop while it waits for the next start is at once', async ({ keeper, clock, place }) => {
  keeper.set(device());
  await clock.advance(100);
  place.life.die('exit code 1');
  await clock.settle();
  await keeper.stop();
  assert.is(place.lives.length, 1);
  keeper.set(device());
  await clock.advance(60_000);
  assert.is(place.lives.length, 1);
});

test.run();
