/** Proves what becomes of a desired value: one write per version, retries, and no fight with the device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NO_DESIRED, stepDesired, type DesiredInput, type DesiredState, type Version } from '#mappers/host/desired.ts';

const v1: Version = { text: '21', stamp: 1 };
const v2: Version = { text: '23', stamp: 2 };
const refused = (byDevice: boolean): DesiredState => ({ phase: 'refused', version: v1, reason: 'too hot', byDevice });

const table: [what: string, from: DesiredState, input: DesiredInput, to: DesiredState, effect?: string][] = [
  ['a delta starts a write', NO_DESIRED, { kind: 'wanted', version: v1 }, { phase: 'pending', version: v1 }, 'write'],
  [
    'an unreached value after a restart is written',
    NO_DESIRED,
    { kind: 'known', version: v1, settled: false },
    { phase: 'pending', version: v1 },
    'write',
  ],
  ['a reached one is not', NO_DESIRED, { kind: 'known', version: v1, settled: true }, { phase: 'settled', version: v1 }],
  [
    'starting takes the version along',
    { phase: 'pending', version: v1 },
    { kind: 'started' },
    { phase: 'writing', version: v1, writing: v1 },
  ],
  [
    'a repeated delta changes nothing while it waits',
    { phase: 'pending', version: v1 },
    { kind: 'wanted', version: v1 },
    { phase: 'pending', version: v1 },
  ],
  [
    'nor while it is written',
    { phase: 'writing', version: v1, writing: v1 },
    { kind: 'wanted', version: v1 },
    { phase: 'writing', version: v1, writing: v1 },
  ],
  ['nor after it was written', { phase: 'written', version: v1 }, { kind: 'wanted', version: v1 }, { phase: 'written', version: v1 }],
  [
    'nor after it was changed at the device',
    { phase: 'settled', version: v1 },
    { kind: 'wanted', version: v1 },
    { phase: 'settled', version: v1 },
  ],
  ['nor after it was refused', refused(false), { kind: 'wanted', version: v1 }, refused(false)],
  [
    'the same text set again later is written again',
    { phase: 'settled', version: v1 },
    { kind: 'wanted', version: { text: '21', stamp: 9 } },
    { phase: 'pending', version: { text: '21', stamp: 9 } },
    'write',
  ],
  [
    'a newer value during a write waits for its end',
    { phase: 'writing', version: v1, writing: v1 },
    { kind: 'wanted', version: v2 },
    { phase: 'writing', version: v2, writing: v1 },
  ],
  ['and is written then', { phase: 'writing', version: v2, writing: v1 }, { kind: 'taken' }, { phase: 'pending', version: v2 }, 'write'],
  [
    'also when the older one failed',
    { phase: 'writing', version: v2, writing: v1 },
    { kind: 'failed', reason: 'x' },
    { phase: 'pending', version: v2 },
    'write',
  ],
  ['a write that was taken is done', { phase: 'writing', version: v1, writing: v1 }, { kind: 'taken' }, { phase: 'written', version: v1 }],
  [
    'a failed one is retried',
    { phase: 'writing', version: v1, writing: v1 },
    { kind: 'failed', reason: 'x' },
    { phase: 'waiting', version: v1, reason: 'x' },
    'retry',
  ],
  ['after a pause', { phase: 'waiting', version: v1, reason: 'x' }, { kind: 'retry' }, { phase: 'pending', version: v1 }, 'write'],
  ['a pause that ends too late does nothing', { phase: 'written', version: v1 }, { kind: 'retry' }, { phase: 'written', version: v1 }],
  [
    'a refused one is told, not retried',
    { phase: 'writing', version: v1, writing: v1 },
    { kind: 'refused', reason: 'too hot', byDevice: false },
    refused(false),
    'refusal',
  ],
  ['a newer value replaces a refused one', refused(false), { kind: 'wanted', version: v2 }, { phase: 'pending', version: v2 }, 'write'],
  ['shown as wanted, it is settled', { phase: 'written', version: v1 }, { kind: 'shown', same: true }, { phase: 'settled', version: v1 }],
  [
    'shown otherwise, it is not written again',
    { phase: 'written', version: v1 },
    { kind: 'shown', same: false },
    { phase: 'written', version: v1 },
  ],
  [
    'a failed write that arrived all the same is settled',
    { phase: 'waiting', version: v1, reason: 'x' },
    { kind: 'shown', same: true },
    { phase: 'settled', version: v1 },
  ],
  [
    'a settled value changed at the device stays changed',
    { phase: 'settled', version: v1 },
    { kind: 'shown', same: false },
    { phase: 'settled', version: v1 },
  ],
  ['a device that goes away puts it in doubt', { phase: 'settled', version: v1 }, { kind: 'away' }, { phase: 'doubtful', version: v1 }],
  ['also one not yet shown', { phase: 'written', version: v1 }, { kind: 'away' }, { phase: 'doubtful', version: v1 }],
  [
    'back with the value, it is settled',
    { phase: 'doubtful', version: v1 },
    { kind: 'shown', same: true },
    { phase: 'settled', version: v1 },
  ],
  [
    'back without, it is written',
    { phase: 'doubtful', version: v1 },
    { kind: 'shown', same: false },
    { phase: 'pending', version: v1 },
    'write',
  ],
  [
    'a doubt survives that the twin calls it settled',
    { phase: 'doubtful', version: v1 },
    { kind: 'known', version: v2, settled: true },
    { phase: 'doubtful', version: v2 },
  ],
  [
    'a failed write waits for the return instead of a pause',
    { phase: 'waiting', version: v1, reason: 'x' },
    { kind: 'away' },
    { phase: 'pending', version: v1 },
  ],
  ['what the device refused is tried once more after its return', refused(true), { kind: 'away' }, { phase: 'doubtful', version: v1 }],
  ['what we refuse stays refused', refused(false), { kind: 'away' }, refused(false)],
  ['withdrawn, nothing is wanted', { phase: 'doubtful', version: v1 }, { kind: 'withdrawn' }, NO_DESIRED],
  ['also before it was written', { phase: 'pending', version: v1 }, { kind: 'withdrawn' }, NO_DESIRED],
  ['the end of a write of a withdrawn value does nothing', NO_DESIRED, { kind: 'taken' }, NO_DESIRED],
  ['nothing wanted, nothing shown matters', NO_DESIRED, { kind: 'shown', same: false }, NO_DESIRED],
];

for (const [what, from, input, to, effect] of table) {
  test(what, () => {
    const step = stepDesired(from, input);
    assert.equal(step.state, to);
    assert.is(step.effect, effect);
  });
}

test('however inputs are mixed, no version is written twice without a failure or an absence between', () => {
  let seed = 3;
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 500; round++) {
    let state: DesiredState = NO_DESIRED;
    const excused = new Set<string>();
    const writtenOnce = new Set<string>();
    for (let step = 0; step < 40; step++) {
      const version = { text: '1', stamp: 1 + random(3) };
      const inputs: DesiredInput[] = [
        { kind: 'wanted', version },
        { kind: 'started' },
        { kind: 'taken' },
        { kind: 'failed', reason: '' },
        { kind: 'retry' },
        { kind: 'shown', same: random(2) === 0 },
        { kind: 'away' },
      ];
      const input = inputs[random(inputs.length)]!;
      // A version that was replaced and comes back is another wish.
      if (input.kind === 'wanted' && state.phase !== 'none' && state.version.stamp !== version.stamp)
        writtenOnce.delete(String(version.stamp));
      if (input.kind === 'failed' || input.kind === 'away') for (const stamp of writtenOnce) excused.add(stamp);
      const next = stepDesired(state, input);
      if (next.state.phase === 'writing' && state.phase === 'pending') {
        const stamp = String(next.state.writing.stamp);
        assert.ok(!writtenOnce.has(stamp) || excused.has(stamp), `written twice: ${stamp}`);
        writtenOnce.add(stamp);
        excused.delete(stamp);
      }
      state = next.state;
    }
  }
});

test.run();
