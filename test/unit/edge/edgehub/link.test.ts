/** Owns the proof of the state machine of the cloud link: back-off, jitter, when it starts over (DESIGN section 4). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FIRST_WAIT_MS, LONGEST_WAIT_MS, STEADY_MS, initialLink, nextLink, type LinkInput, type LinkState } from '#edge/edgehub/link.ts';

/** The wait after each lost attempt, with the given draws. */
function waits(state: LinkState, draws: readonly number[], onlineMs?: number): { waits: number[]; state: LinkState } {
  const found: number[] = [];
  for (const random of draws) {
    state = nextLink(state, { kind: 'dial' }).state;
    if (onlineMs !== undefined) state = nextLink(state, { kind: 'opened', nowMs: 0 }).state;
    const step = nextLink(state, { kind: 'lost', nowMs: onlineMs ?? 0, random });
    state = step.state;
    for (const effect of step.effects) if (effect.kind === 'wait') found.push(effect.ms);
  }
  return { waits: found, state };
}

const kinds = (state: LinkState, input: LinkInput): string[] => nextLink(state, input).effects.map(({ kind }) => kind);
const online: LinkState = { name: 'online', sinceMs: 0, baseMs: FIRST_WAIT_MS };

test('the upper bounds of the waits double from 0.5 s to 30 s', () => {
  const almost = 0.999999;
  const bounds = waits(initialLink, Array<number>(9).fill(almost)).waits.map((ms) => Math.round(ms));
  assert.equal(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  assert.is(LONGEST_WAIT_MS, 30_000);
});

test('the first wait is under 1 s, whatever the draw', () => {
  for (let draw = 0; draw < 1; draw += 0.01) assert.ok((waits(initialLink, [draw]).waits[0] ?? Infinity) < 1000);
});

test('the jitter is full: each wait is uniform between (almost) nothing and its bound', () => {
  for (const [draw, ms] of [
    [0, 1],
    [0.25, 125],
    [0.5, 250],
    [0.75, 375],
  ] as const)
    assert.equal(waits(initialLink, [draw]).waits, [ms]);
});

test('a link that held for 10 s starts over; one that breaks sooner goes on backing off', () => {
  const failed = waits(initialLink, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]).state;
  assert.equal(waits(failed, [0.5], STEADY_MS - 1).waits, [LONGEST_WAIT_MS / 2]);
  assert.equal(waits(failed, [0.5], STEADY_MS).waits, [FIRST_WAIT_MS / 2]);
});

test('dial, open, lose: connected and disconnected are told once each', () => {
  assert.equal(kinds(initialLink, { kind: 'dial' }), ['dial']);
  assert.equal(kinds({ name: 'dialing', baseMs: 500 }, { kind: 'opened', nowMs: 0 }), ['connected']);
  assert.equal(kinds(online, { kind: 'lost', nowMs: 1, random: 0 }), ['disconnected', 'wait']);
  assert.equal(kinds({ name: 'dialing', baseMs: 500 }, { kind: 'lost', nowMs: 1, random: 0 }), ['wait']);
});

test('what comes late changes nothing: a second dial, a second loss, an opening that nobody waits for', () => {
  assert.equal(nextLink(online, { kind: 'dial' }), { state: online, effects: [] });
  assert.equal(nextLink(initialLink, { kind: 'lost', nowMs: 1, random: 0 }), { state: initialLink, effects: [] });
  assert.equal(nextLink(online, { kind: 'opened', nowMs: 1 }), { state: online, effects: [] });
});

test('closing hangs up for good', () => {
  assert.equal(kinds(online, { kind: 'close' }), ['hangup', 'disconnected']);
  assert.equal(kinds({ name: 'dialing', baseMs: 500 }, { kind: 'close' }), ['hangup']);
  const inputs: LinkInput[] = [{ kind: 'dial' }, { kind: 'opened', nowMs: 1 }, { kind: 'lost', nowMs: 1, random: 0 }, { kind: 'close' }];
  for (const input of inputs) assert.equal(nextLink({ name: 'closed' }, input), { state: { name: 'closed' }, effects: [] });
});

test.run();
