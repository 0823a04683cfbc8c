/** What is news about the desired values of a device: each version once, also after a restart. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeStatus } from '#cloud/devicecontroller/api-status.ts';
import { DesiredProgress } from '#cloud/devicecontroller/desired-progress.ts';
import { DeviceReport } from '#cloud/devicecontroller/device-report.ts';
import { viewOf } from '#cloud/devicecontroller/device-view.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';

const reached: WriteOutcome = { desired: '23', stamp: 5, result: 'reached', observed: '23', ms: 41 };

/** `entry`: what the API shows of the setpoint at the start. */
function rig(entry: Record<string, unknown> = {}, desired = '23') {
  const status = (text: string) => ({ twins: [{ propertyName: 'setpoint', desired: { value: text }, ...entry }] });
  let view = viewOf(thermostat({ status: status(desired) }), thermostatModel());
  const progress = new DesiredProgress();
  const report = new DeviceReport();
  let version = 0;
  const take = (part: { value?: string; write?: WriteOutcome; override?: boolean }): string[] => {
    const { value, ...rest } = part;
    const actual = value === undefined ? {} : { actual: { value }, actual_version: { cloud: 0, edge: ++version } };
    const result = report.takeTwins({ setpoint: { ...actual, ...rest } }, { store: 's', desired: new Map([['setpoint', desired]]) });
    if ('refused' in result) throw new Error(result.refused);
    const { urgent, events } = progress.take(view, report, result.taken);
    return [...(urgent ? ['urgent'] : []), ...events.map(({ reason, message }) => `${reason}: ${message}`)];
  };
  const desire = (text: string): void => void (view = viewOf(thermostat({ status: status(text) }), thermostatModel()));
  const apiShows = (now: Record<string, unknown>): void => {
    Object.assign(entry, now);
    desire(desired);
  };
  return { take, desire, apiShows };
}

const WRITTEN = 'DesiredWritten: setpoint: desired 23 written, observed 23 in 41 ms';

test('an outcome is told once, however often it is repeated', () => {
  const { take } = rig();
  assert.equal(take({ value: '23', write: reached }), ['urgent', WRITTEN]);
  assert.equal(take({ value: '23', write: { ...reached, ms: 99 } }), []);
  assert.equal(take({ value: '24', write: reached }), []);
});

test('what the API shows was told before', () => {
  assert.equal(rig({ write: writeStatus(reached), reported: { value: '23' } }).take({ value: '23', write: reached }), []);
  assert.equal(rig({ reported: { value: '23' } }).take({ value: '23' }), []);
});

test('what another process told while it served the node is not told again', () => {
  const here = rig();
  assert.equal(here.take({ value: '20' }), []);
  here.apiShows({ write: writeStatus(reached), reported: { value: '23' } });
  assert.equal(here.take({ value: '23', write: reached }), []);
});

test('a mapper that says nothing of its writes is judged by its values', () => {
  const { take, desire } = rig();
  assert.equal(take({ value: '20' }), []);
  assert.equal(take({ value: '23' }), ['urgent', 'DesiredReached: setpoint: desired 23 reached, observed 23']);
  assert.equal(take({ value: '22' }), []);
  assert.equal(take({ value: '23' }), [], 'once for a desired value');
  desire('22');
  assert.equal(take({ value: '22' }), ['urgent', 'DesiredReached: setpoint: desired 22 reached, observed 22']);
});

test('a refusal comes without a value; a later success is told too', () => {
  const { take } = rig();
  const refused: WriteOutcome = { desired: '23', stamp: 5, result: 'refused', reason: 'NO', ms: 3 };
  assert.equal(take({ write: refused }), ['urgent', 'WriteRefused: setpoint: write refused: NO']);
  assert.equal(take({ value: '23', write: reached }), ['urgent', WRITTEN]);
});

test('values that apps set at the edge hurry nobody, however fast they come', () => {
  const { take } = rig();
  for (let stamp = 0; stamp < 3; stamp += 1) {
    const write = { ...reached, desired: `${stamp}`, stamp };
    assert.equal(take({ value: '7', write, override: true }), [
      `DesiredWritten: setpoint: local value ${stamp} written, observed 23 in 41 ms`,
    ]);
  }
});

test('only the first outcome of a desired value hurries', () => {
  const { take } = rig();
  const failing = (stamp: number): WriteOutcome => ({ desired: '23', stamp, result: 'failed', reason: 'busy', ms: 1 });
  assert.is(take({ write: failing(1) })[0], 'urgent');
  assert.equal(take({ write: failing(2) }).length, 1);
});

test('an outcome beside a value that is older than what is known is left out', () => {
  const { take } = rig();
  take({ value: '20' });
  const report = new DeviceReport();
  const from = { store: 's', desired: new Map<string, string>() };
  report.takeTwins({ setpoint: { actual: { value: '20' }, actual_version: { cloud: 0, edge: 9 } } }, from);
  const old = { setpoint: { actual: { value: '23' }, actual_version: { cloud: 0, edge: 8 }, write: reached } };
  assert.equal(report.takeTwins(old, from), { taken: [] });
  assert.is(report.writes.size, 0);
});

test.run();
