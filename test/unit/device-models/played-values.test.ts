/** Proves what a simulated device holds: within its model's bounds, moving, kept when written, and refusing what the model forbids. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PlayedValues } from '#device-models/played-values.ts';
import { property } from '#test/simulators/profiles.ts';

function play(...properties: ReturnType<typeof property>[]): PlayedValues {
  let seed = 1;
  // A full cycle through a small ring: no luck in a test.
  const random = (): number => (seed = (seed * 75) % 65_537) / 65_537;
  return new PlayedValues({ profile: { name: 'tank', properties }, random });
}

/** The message of what the call throws. */
function refusal(act: () => void): string {
  try {
    act();
  } catch (error) {
    return (error as Error).message;
  }
  return 'not refused';
}

test('what can only be read moves within the bounds of the model, over all of their width', () => {
  const values = play(property('x', 'flow', { accessMode: 'ReadOnly', minimum: '-5', maximum: '5' }));
  const seen: number[] = [];
  for (let step = 0; step < 5000; step++) {
    values.step();
    seen.push(Number(values.get('flow')));
  }
  assert.ok(Math.min(...seen) >= -5 && Math.max(...seen) <= 5);
  assert.ok(Math.max(...seen) - Math.min(...seen) > 5, 'it hardly moves');
});

test('whole numbers of a small range and booleans move too; texts stay', () => {
  const values = play(
    property('x', 'stage', { type: 'int', accessMode: 'ReadOnly', minimum: '0', maximum: '3' }),
    property('x', 'open', { type: 'boolean', accessMode: 'ReadOnly' }),
    property('x', 'label', { type: 'string', accessMode: 'ReadOnly' }),
  );
  const seen = new Map<string, Set<unknown>>(values.names.map((name) => [name, new Set()]));
  for (let step = 0; step < 2000; step++) {
    values.step();
    for (const name of values.names) seen.get(name)?.add(name === 'stage' ? Math.round(Number(values.get(name))) : values.get(name));
  }
  assert.equal(
    [...seen].map(([name, all]) => [name, all.size]),
    [
      ['stage', 4],
      ['open', 2],
      ['label', 1],
    ],
  );
});

test('what is written is kept; what the model does not allow is refused and changes nothing', () => {
  const values = play(
    property('x', 'setpoint', { minimum: '5', maximum: '35' }),
    property('x', 'flow', { accessMode: 'ReadOnly' }),
    property('x', 'on', { type: 'boolean' }),
  );
  values.write('setpoint', 21.5);
  values.write('on', 1n);
  for (let step = 0; step < 100; step++) values.step();
  assert.equal([values.get('setpoint'), values.get('on')], [21.5, true]);
  assert.is(
    refusal(() => values.write('setpoint', 36)),
    'tank does not take setpoint: 36 is outside 5 to 35 of setpoint',
  );
  assert.is(
    refusal(() => values.write('flow', 1)),
    'tank does not take flow: it can only be read',
  );
  assert.is(
    refusal(() => values.write('level', 1)),
    'tank has no property level: it has setpoint, flow, on',
  );
  assert.is(values.get('setpoint'), 21.5);
});

test('a hand at the device sets even what can only be read, and it stays so', () => {
  const values = play(property('x', 'flow', { accessMode: 'ReadOnly' }));
  values.put('flow', '12.25');
  for (let step = 0; step < 100; step++) values.step();
  assert.is(values.get('flow'), 12.25);
  assert.is(
    refusal(() => values.put('flow', 'much')),
    '"much" is no float',
  );
});

test('a property that is told to refuse does so until it is allowed again', () => {
  const values = play(property('x', 'setpoint'));
  values.refuse('setpoint', true);
  assert.ok(values.isRefused('setpoint'));
  assert.is(
    refusal(() => values.write('setpoint', 7)),
    'tank does not take setpoint: it was told to refuse it',
  );
  values.refuse('setpoint', false);
  values.write('setpoint', 7);
  assert.is(values.get('setpoint'), 7);
});

test.run();
