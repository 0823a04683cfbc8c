/** Proves what a mapper process may do to edgecore, and what it gets from it. */
import * as assert from 'uvu/assert';
import { device, keeperSuite } from '#test/simulators/keeper-bench.ts';

const test = keeperSuite('session');

test('what is not committed stops the reading, and is no lack of life', async (bench) => {
  const { keeper, clock, place, published } = bench;
  keeper.set(device());
  await clock.advance(100);
  bench.held = [];
  for (let count = 0; count < 2000; count++) place.life.says('pump', 'x'.repeat(1000));
  await clock.advance(0);
  assert.ok(published.length > 256 && published.length < 800, String(published.length));
  await clock.advance(60_000);
  assert.is(place.life.kills, 0);
  while (bench.held.length > 0) {
    for (const release of bench.held.splice(0)) release();
    await clock.settle();
  }
  assert.is(published.length, 2000);
});

test('what it said before its end is committed', async (bench) => {
  const { keeper, clock, place, published } = bench;
  keeper.set(device());
  await clock.advance(100);
  bench.held = [];
  place.life.says('pump', 'online');
  await clock.settle();
  place.life.die('exit code 1');
  await clock.settle();
  const open = bench.ports;
  for (const release of bench.held.splice(0)) release();
  await clock.settle();
  assert.equal(published, ['$hw/events/device/pump/state/update']);
  assert.equal([open, bench.ports], [1, 0]);
});

test('it speaks and hears for its own devices only', async ({ keeper, clock, place, published, filters, log }) => {
  keeper.set(device());
  await clock.advance(100);
  const { channel, heard } = place.life;
  channel.send({ kind: 'mqtt', to: 0, topic: '$hw/events/device/valve/twin/update', payload: Buffer.from('{}') });
  channel.tell({ type: 'subscribe', id: 1, filter: '$hw/events/device/valve/twin/update/delta' });
  channel.tell({ type: 'subscribe', id: 2, filter: '$hw/events/device/pump/twin/update/delta' });
  channel.send({ kind: 'mqtt', to: 0, topic: '$hw/events/device/pump/twin/get', payload: Buffer.from('{}') });
  await clock.settle();
  assert.equal(published, ['$hw/events/device/pump/twin/get']);
  assert.equal([...filters.keys()], ['$hw/events/device/pump/twin/update/delta']);
  assert.is(log.filter(({ event }) => event === 'mapper.process.refused').length, 2);
  filters.get('$hw/events/device/pump/twin/update/delta')?.('$hw/events/device/pump/twin/update/delta', Buffer.from('!'));
  await clock.settle();
  assert.equal(heard.at(-1), { kind: 'mqtt', to: 2, topic: '$hw/events/device/pump/twin/update/delta', payload: Buffer.from('!') });
  keeper.removed('pump');
  assert.is(filters.size, 0);
});

test('it gets the secrets that its devices name, and no others', async ({ keeper, clock, place }) => {
  keeper.set(device('pump', { password: 'pump.password' }));
  await clock.advance(100);
  place.life.channel.tell({ type: 'secret', id: 1, reference: 'pump.password', path: 'password' });
  place.life.channel.tell({ type: 'secret', id: 2, reference: 'node.key', path: 'password' });
  await clock.settle();
  const answers = place.life.heard.map((frame) => (frame.kind === 'json' ? frame.body : {})).filter((body) => 'id' in (body as object));
  assert.equal(answers, [
    {
      type: 'refused',
      id: 2,
      error: { code: 'PROFILE_INVALID', facts: {}, message: 'password: no device of this mapper names such a secret' },
    },
    { type: 'secret', id: 1, value: Buffer.from('content of pump.password').toString('base64') },
  ]);
});

for (const [what, greeting] of [
  ['another version', { type: 'hello', version: '2', plugin: 'trial', pid: 1 }],
  ['another plugin', { type: 'hello', version: '1', plugin: 'other', pid: 1 }],
  ['no greeting', { type: 'subscribe', id: 1, filter: '$hw/events/device/pump/twin/update/delta' }],
  ['nonsense', { type: 'obey' }],
] as const) {
  test(`a process with ${what} is not listened to`, async ({ keeper, clock, place, filters, told }) => {
    place.greeting = greeting;
    keeper.set(device());
    await clock.advance(0);
    assert.is(place.lives[0]!.kills, 1);
    assert.is(filters.size, 0);
    assert.is(told.length > 0, true);
  });
}

test('its log is told as ours, with a bound, and under its own name', async ({ keeper, clock, place, log }) => {
  keeper.set(device());
  await clock.advance(100);
  for (let count = 0; count < 1000; count++)
    place.life.channel.tell({ type: 'log', level: 'warn', event: 'trial.line', fields: { count, mapper: 'somebody else' } });
  place.life.channel.tell({ type: 'log', level: 'shout', event: 'trial.odd', fields: 'none' });
  await clock.settle();
  const lines = log.filter(({ event }) => event === 'trial.line');
  assert.is(lines.length, 500);
  assert.equal(lines[0]?.fields, { count: 0, mapper: 'trial' });
  await clock.advance(5000);
  assert.equal(log.find(({ event }) => event === 'mapper.process.chatty')?.fields, { droppedLines: 501 });
});

test.run();
