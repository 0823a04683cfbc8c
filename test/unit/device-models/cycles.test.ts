/** Owns the proof of the units of collectCycle and reportCycle. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readCycle } from '#device-models/cycles.ts';

const cases: [written: unknown, v1alpha2: unknown, v1beta1: unknown][] = [
  [500_000_000, { ms: 500 }, { ms: 500_000_000 }],
  [1_000_000, { ms: 10 }, { ms: 1_000_000 }],
  [20_000_000, { ms: 20 }, { ms: 20_000_000 }],
  [999_999, { ms: 999_999 }, { ms: 999_999 }],
  [5000, { ms: 5000 }, { ms: 5000 }],
  [1, { ms: 10 }, { ms: 10 }],
  ['5000', { ms: 5000 }, { ms: 5000 }],
  ['1000000000', { ms: 1000 }, { ms: 1_000_000_000 }],
  ['5s', { ms: 5000 }, { ms: 5000 }],
  ['500ms', { ms: 500 }, { ms: 500 }],
  ['1m30s', { ms: 90_000 }, { ms: 90_000 }],
  ['1.5h', { ms: 5_400_000 }, { ms: 5_400_000 }],
  ['2000us', { ms: 10 }, { ms: 10 }],
  [0, undefined, undefined],
  ['0s', undefined, undefined],
  [undefined, undefined, undefined],
  [null, undefined, undefined],
  ['', undefined, undefined],
];
for (const [written, v1alpha2, v1beta1] of cases) {
  test(`a cycle of ${JSON.stringify(written)} in both generations`, () => {
    assert.equal(readCycle(written, 'nanoseconds-or-milliseconds'), v1alpha2);
    // Beyond a month a number is a mistake in its unit.
    const tooLong = typeof v1beta1 === 'object' && v1beta1 !== null && 'ms' in v1beta1 && Number(v1beta1.ms) > 31 * 86_400_000;
    if (!tooLong) assert.equal(readCycle(written, 'milliseconds'), v1beta1);
  });
}

for (const wrong of [-1, '-5s', 'soon', '5 parsecs', true, {}, [5], '1e400', 1e15]) {
  test(`${JSON.stringify(wrong)} is no cycle`, () => {
    const read = readCycle(wrong, 'milliseconds');
    assert.ok(read !== undefined && 'fault' in read, JSON.stringify(read));
  });
}

test.run();
