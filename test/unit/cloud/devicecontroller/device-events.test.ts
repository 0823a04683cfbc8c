/** The words in which people are told what happens to a device. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { outcomeEvent, transitionEvents } from '#cloud/devicecontroller/device-events.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import { thermostat } from '#test/support/device-objects.ts';

const outcome = (over: Partial<WriteOutcome>): WriteOutcome => ({ desired: '23', stamp: 1, result: 'reached', ...over });

const outcomes: [outcome: WriteOutcome, text: string][] = [
  [outcome({ observed: '22.9', ms: 41 }), 'Normal DesiredWritten: setpoint: desired 23 written, observed 22.9 in 41 ms'],
  [outcome({ observed: '23', ms: 12_345 }), 'Normal DesiredWritten: setpoint: desired 23 written, observed 23 in 12.3 s'],
  [outcome({ observed: '23', ms: 200_000 }), 'Normal DesiredWritten: setpoint: desired 23 written, observed 23 in 3 min 20 s'],
  [outcome({ observed: '23', ms: 7_500_000 }), 'Normal DesiredWritten: setpoint: desired 23 written, observed 23 in 2 h 5 min'],
  [outcome({ observed: '23' }), 'Normal DesiredReached: setpoint: desired 23 reached, observed 23'],
  [outcome({ desired: '', observed: '', ms: 1 }), 'Normal DesiredWritten: setpoint: desired "" written, observed "" in 1 ms'],
  [
    outcome({ result: 'refused', reason: 'ILLEGAL DATA ADDRESS', ms: 3 }),
    'Warning WriteRefused: setpoint: write refused: ILLEGAL DATA ADDRESS',
  ],
  [
    outcome({ result: 'timedOut', reason: 'no answer', ms: 3 }),
    'Warning WriteTimedOut: setpoint: desired 23 not written, it is tried again: no answer',
  ],
  [outcome({ result: 'failed', reason: 'busy', ms: 3 }), 'Warning WriteFailed: setpoint: desired 23 not written, it is tried again: busy'],
  [
    outcome({ result: 'differs', observed: '20', ms: 5200 }),
    'Warning DesiredNotTaken: setpoint: desired 23 written, but observed 20 5.2 s later',
  ],
];
for (const [said, text] of outcomes) {
  test(text, () => {
    const { type, reason, message } = outcomeEvent('setpoint', said, false);
    assert.is(`${type} ${reason}: ${message}`, text);
  });
}

test('a value that was set at the edge is called so, and a long one is cut', () => {
  const { message } = outcomeEvent('p', outcome({ desired: 'x'.repeat(100), observed: 'y', ms: 5 }), true);
  assert.is(message, `p: local value ${'x'.repeat(63)}… written, observed y in 5 ms`);
});

const condition = (type: string, status = 'True') => ({ type, status, reason: 'R', message: `${type} it is` });
const transitions: [what: string, before: object, after: object, texts: string[]][] = [
  ['the first state', {}, { state: 'online' }, ['Normal StateChanged: online']],
  [
    'a state with its reason',
    { state: 'online' },
    { state: 'offline', summary: { reason: 'no answer' } },
    ['Warning StateChanged: online -> offline: no answer'],
  ],
  ['the same state', { state: 'online' }, { state: 'online' }, []],
  ['a condition that holds now', {}, { conditions: [condition('ModelMissing')] }, ['Warning ModelMissing: ModelMissing it is']],
  ['one that held before', { conditions: [condition('ModelMissing')] }, { conditions: [condition('ModelMissing')] }, []],
  ['one that does not hold any more', { conditions: [condition('ModelMissing')] }, { conditions: [] }, []],
  ['Ready, which the state tells', {}, { conditions: [condition('Ready'), condition('NodeUnknown', 'False')] }, []],
  ['an override', {}, { conditions: [condition('LocalOverride')] }, ['Normal LocalOverride: LocalOverride it is']],
];
for (const [what, before, after, texts] of transitions) {
  test(`${what}: ${texts.join() || 'nothing'}`, () => {
    const [was, is] = [before, after].map((status) => thermostat({ status: { ...status } }));
    assert.equal(
      transitionEvents(was!, is!).map(({ type, reason, message }) => `${type} ${reason}: ${message}`),
      texts,
    );
  });
}

test.run();
