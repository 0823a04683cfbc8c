/** Proves when devices are read and probed, and what their silence means. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bookTimeout, OPEN_ACCOUNT, type BusAccount } from '#mappers/host/bus-time.ts';
import { afterAnswer, afterMiss, stateOf, UNTRIED, type DeviceState, type Liveness } from '#mappers/host/device-state.ts';
import { createSchedule } from '#mappers/host/schedule.ts';

const bookings: [what: string, account: BusAccount, at: number, costMs: number, openAt: number][] = [
  ['the first time-out of 300 ms closes the line for 5.7 s', OPEN_ACCOUNT, 1000, 300, 6700],
  ['one while it is closed adds up', { ...OPEN_ACCOUNT, openAt: 6700 }, 2000, 300, 12_400],
  ['one after it opened starts from now', { ...OPEN_ACCOUNT, openAt: 6700 }, 9000, 300, 14_700],
  ['a dear one closes it for longer', OPEN_ACCOUNT, 0, 5000, 95_000],
  ['many at once close it for half a minute from the last', { ...OPEN_ACCOUNT, openAt: 31_000 }, 2000, 300, 32_000],
  ['two dear ones add up', { ...OPEN_ACCOUNT, openAt: 95_000 }, 5000, 5000, 190_000],
  ['a cheap one opens it no sooner', { ...OPEN_ACCOUNT, openAt: 95_000 }, 6000, 300, 95_000],
];
for (const [what, account, at, costMs, openAt] of bookings) {
  test(what, () => assert.is(Math.round(bookTimeout(account, { at, costMs, share: 0.05 }).openAt), openAt));
}

for (const dead of [1, 3, 30]) {
  test(`${dead} dead devices take at most 5 % of the bus time over any long while`, () => {
    const costMs = 300;
    let account = OPEN_ACCOUNT;
    let now = 0;
    let lost = 0;
    // Each is tried once before it is known to be dead.
    for (let device = 0; device < dead; device++) {
      now += costMs;
      lost += costMs;
      account = bookTimeout(account, { at: now, costMs });
    }
    while (now < 3_600_000) {
      now = Math.max(now, account.openAt) + costMs;
      lost += costMs;
      account = bookTimeout(account, { at: now, costMs });
      assert.ok(lost - costMs <= 0.05 * now + dead * costMs);
    }
    assert.ok(lost / now <= 0.05, `${lost / now}`);
    assert.ok(lost / now > 0.04, 'and they are still probed');
  });
}

test('properties with the same cycle are read together, at once and then in their cycle', () => {
  const schedule = createSchedule(
    [
      { name: 'a', collectCycleMs: 500 },
      { name: 'b', collectCycleMs: 1000 },
      { name: 'c', collectCycleMs: 500 },
    ],
    100,
  );
  const taken: [number, readonly string[]][] = [];
  for (let now = schedule.nextAt(); now < 1700; now = schedule.nextAt()) taken.push([now, schedule.take(now).names]);
  assert.equal(taken, [
    [100, ['a', 'c', 'b']],
    [600, ['a', 'c']],
    [1100, ['a', 'c', 'b']],
    [1600, ['a', 'c']],
  ]);
});

test('missed cycles are left out, not made up for', () => {
  const schedule = createSchedule([{ name: 'a', collectCycleMs: 100 }], 0);
  assert.equal(schedule.take(0).names, ['a']);
  assert.equal(schedule.take(1050).names, ['a']);
  assert.is(schedule.nextAt(), 1100);
});

test('groups that fall due almost together are read together', () => {
  const schedule = createSchedule(
    [
      { name: 'a', collectCycleMs: 1000 },
      { name: 'b', collectCycleMs: 1003 },
    ],
    0,
  );
  schedule.take(0);
  assert.equal(schedule.take(1000), { names: ['a', 'b'], cycleMs: 1000 });
});

test('nothing to read is never due', () => assert.is(createSchedule([], 0).nextAt(), Infinity));

const alive: Liveness = afterAnswer(10_000);
const miss = (at: number, more: { cycleMs?: number; certain?: boolean } = {}): Parameters<typeof afterMiss>[1] => ({
  at,
  cycleMs: 1000,
  reason: 'no answer',
  certain: false,
  ...more,
});
const misses: [what: string, before: Liveness, miss: Parameters<typeof afterMiss>[1], reachable: boolean][] = [
  ['a device that never answered is offline with the first miss', UNTRIED, miss(1000), false],
  ['one lost frame is no outage', alive, miss(11_300), true],
  ['a second one is', afterMiss(alive, miss(11_300)), miss(11_600), false],
  ['so is a silence of two cycles', alive, miss(12_000), false],
  ['and a refused connection', alive, miss(10_500, { certain: true }), false],
  ['a slow cycle waits for the second miss', alive, miss(25_000, { cycleMs: 60_000 }), true],
  ['offline stays offline', { reachable: false, misses: 9, answeredAt: 11_000 }, miss(11_100), false],
];
for (const [what, before, given, reachable] of misses) test(what, () => assert.is(afterMiss(before, given).reachable, reachable));

const nothing = new Map<string, string>();
const states: [what: string, liveness: Liveness, failing: Map<string, string>, refusals: string[], state: DeviceState | undefined][] = [
  ['nothing is said before anything is known', UNTRIED, nothing, [], undefined],
  ['answers make it online', alive, nothing, [], { word: 'online' }],
  ['silence makes it offline, with the reason', afterMiss(UNTRIED, miss(1)), nothing, [], { word: 'offline', reason: 'no answer' }],
  [
    'one bad point makes it unhealthy',
    alive,
    new Map([['power', 'ILLEGAL DATA ADDRESS']]),
    [],
    { word: 'unhealthy', reason: 'power: ILLEGAL DATA ADDRESS' },
  ],
  [
    'of several the first is named',
    alive,
    new Map([
      ['a', 'x'],
      ['b', 'y'],
      ['c', 'z'],
    ]),
    [],
    { word: 'unhealthy', reason: 'a: x (and 2 more)' },
  ],
  ['a refused value is told while online', alive, nothing, ['too hot'], { word: 'online', reason: 'too hot' }],
];
for (const [what, liveness, failing, refusals, state] of states)
  test(what, () => assert.equal(stateOf({ liveness, failing, refusals }), state));

test.run();
