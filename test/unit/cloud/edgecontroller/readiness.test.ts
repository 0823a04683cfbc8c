/** When a node is Ready, and which of several replicas may say and write what. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dutyOf, readinessOf, type Signs } from '#cloud/edgecontroller/readiness.ts';

const signs = (over: Partial<Signs>): Signs => ({
  nowMs: 100_000,
  serves: false,
  heardMs: undefined,
  leadsSinceMs: undefined,
  renewedMs: undefined,
  ...over,
});

for (const [what, over, readiness, duty] of [
  ['served by us and heard a moment ago', { serves: true, heardMs: 60_001 }, 'ready', 'all'],
  ['served by us and silent for 40 s, while another one leads', { serves: true, heardMs: 60_000 }, 'unsaid', 'nothing'],
  ['served by us and silent for 40 s, while we lead', { serves: true, heardMs: 60_000, leadsSinceMs: 0 }, 'lost', 'all'],
  ['served by us, silent, and led by us since a moment', { serves: true, heardMs: 1, leadsSinceMs: 99_000 }, 'lost', 'all'],
  ['served by nobody, while another one leads', {}, 'unsaid', 'nothing'],
  ['renewed by another a moment ago, while we lead', { leadsSinceMs: 0, renewedMs: 60_001 }, 'unsaid', 'nothing'],
  ['renewed by another for the last time 40 s ago, while we lead', { leadsSinceMs: 0, renewedMs: 60_000 }, 'lost', 'verdict'],
  ['the same, while we lead since less than 40 s', { leadsSinceMs: 60_001, renewedMs: 60_000 }, 'unsaid', 'verdict'],
  ['never seen by anybody, while we lead since 40 s', { leadsSinceMs: 60_000 }, 'lost', 'verdict'],
] as const) {
  test(`a node ${what}: ${readiness}, ${duty}`, () => {
    assert.is(readinessOf(signs(over)), readiness);
    assert.is(dutyOf(signs(over)), duty);
  });
}

test.run();
