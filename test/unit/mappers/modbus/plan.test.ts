/** Proves that near registers share a request, and that no request is larger than an answer can be. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Space } from '#mappers/modbus/frames.ts';
import { planReads, splitRead, USUAL_LIMITS, type Placed, type PlannedRead } from '#mappers/modbus/plan.ts';

type Point = [space: Space, address: number, count?: number];

const placed = (points: readonly Point[]): Placed<string>[] =>
  points.map(([space, address, count = 1]) => ({ space, address, count, item: `${space}${address}` }));
const shape = (reads: readonly PlannedRead<string>[]): string[] =>
  reads.map(({ space, address, count, points }) => `${space} ${address}+${count}: ${points.map(({ item }) => item).join(' ')}`);

const plans: { what: string; points: Point[]; reads: string[] }[] = [
  { what: 'no points need no request', points: [], reads: [] },
  {
    what: 'neighbours share one',
    points: [
      ['holding', 0],
      ['holding', 1],
    ],
    reads: ['holding 0+2: holding0 holding1'],
  },
  {
    what: 'the order of points does not matter',
    points: [
      ['holding', 5],
      ['holding', 0],
    ],
    reads: ['holding 0+6: holding0 holding5'],
  },
  {
    what: 'a gap of ten is read along',
    points: [
      ['holding', 0],
      ['holding', 11],
    ],
    reads: ['holding 0+12: holding0 holding11'],
  },
  {
    what: 'a gap of eleven is not',
    points: [
      ['holding', 0],
      ['holding', 12],
    ],
    reads: ['holding 0+1: holding0', 'holding 12+1: holding12'],
  },
  {
    what: 'tables are never mixed',
    points: [
      ['input', 0],
      ['holding', 0],
    ],
    reads: ['input 0+1: input0', 'holding 0+1: holding0'],
  },
  {
    what: 'overlapping points are read once',
    points: [
      ['holding', 0, 4],
      ['holding', 1, 1],
    ],
    reads: ['holding 0+4: holding0 holding1'],
  },
  {
    what: 'a range of 125 registers is one request',
    points: [
      ['holding', 0, 124],
      ['holding', 124],
    ],
    reads: ['holding 0+125: holding0 holding124'],
  },
  {
    what: 'one of 126 is two',
    points: [
      ['holding', 0, 124],
      ['holding', 124, 2],
    ],
    reads: ['holding 0+124: holding0', 'holding 124+2: holding124'],
  },
  {
    what: 'bits have a wider gap',
    points: [
      ['coil', 0],
      ['coil', 129],
    ],
    reads: ['coil 0+130: coil0 coil129'],
  },
  {
    what: 'but not any',
    points: [
      ['coil', 0],
      ['coil', 130],
    ],
    reads: ['coil 0+1: coil0', 'coil 130+1: coil130'],
  },
  { what: 'the last address is read', points: [['input', 65_535]], reads: ['input 65535+1: input65535'] },
];

for (const { what, points, reads } of plans) {
  test(what, () => assert.equal(shape(planReads(placed(points))), reads));
}

test('2000 bits are one request, 2001 are two', () => {
  const row = (length: number): Placed<string>[] =>
    Array.from({ length }, (_, address) => ({ space: 'coil', address, count: 1, item: '' }));
  assert.equal(
    planReads(row(2000)).map(({ count }) => count),
    [2000],
  );
  assert.equal(
    planReads(row(2001)).map(({ count }) => count),
    [2000, 1],
  );
});

test('every point is in exactly one request that covers it, whatever the points', () => {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % below;
  for (let round = 0; round < 200; round++) {
    const spaces: Space[] = ['coil', 'discrete', 'input', 'holding'];
    const points = Array.from({ length: random(60) }, (_, index): Placed<string> => ({
      space: spaces[random(4)] ?? 'coil',
      address: random(400),
      count: 1 + random(20),
      item: String(index),
    }));
    const reads = planReads(points);
    assert.equal(
      reads.flatMap((read) => read.points.map(({ item }) => Number(item))).sort((a, b) => a - b),
      points.map((_, index) => index),
    );
    for (const read of reads) {
      assert.ok(read.count <= (read.space === 'coil' || read.space === 'discrete' ? USUAL_LIMITS.mostBits : USUAL_LIMITS.mostRegisters));
      for (const { space, address, count } of read.points) {
        assert.is(space, read.space);
        assert.ok(address >= read.address && address + count <= read.address + read.count);
      }
    }
  }
});

test('a refused range is first read without its gaps, then point by point', () => {
  const [whole] = planReads(
    placed([
      ['holding', 0],
      ['holding', 1],
      ['holding', 5, 2],
      ['holding', 5, 2],
    ]),
  );
  const parts = splitRead(whole!);
  assert.equal(shape(parts), ['holding 0+2: holding0 holding1', 'holding 5+2: holding5 holding5']);
  assert.equal(shape(splitRead(parts[0]!)), ['holding 0+1: holding0', 'holding 1+1: holding1']);
  assert.equal(shape(splitRead(parts[1]!)), ['holding 5+2: holding5 holding5']);
});

test.run();
