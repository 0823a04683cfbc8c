/** Proves that a report policy of any generation means the same, and that slips in it are told. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReportPolicy } from '#device-models/report-policy.ts';
import { readProfile } from '#device-models/read-profile.ts';

const model = (type: object = { double: {} }, more: object = {}): Record<string, unknown> => ({
  metadata: { name: 'm' },
  spec: { properties: [{ name: 'p', type }], ...more },
});
const head = { metadata: { name: 'd' } };
const common = { deviceModelRef: { name: 'm' }, nodeName: 'n' };

function policyIn(
  device: Record<string, unknown>,
  of: Record<string, unknown> = model(),
): { policy: ReportPolicy | undefined; said: string[] } {
  const { profile, problems } = readProfile(device, of);
  return {
    policy: profile.properties[0]?.reportPolicy,
    said: problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`),
  };
}

const written = { deadband: '2%', heartbeat: '5m' };
const wanted: ReportPolicy = { deadband: { kind: 'percent', value: 2 }, heartbeatMs: 300_000 };
const visitor = { modbus: { register: 'HoldingRegister', offset: 0, limit: 4 }, reportPolicy: written };
const protocol = { modbus: { slaveID: 1 }, common: { tcp: { ip: '192.0.2.1', port: 502 } } };

test('all generations carry it', () => {
  const modbus = { protocolName: 'modbus', configData: { slaveID: 1, ip: '192.0.2.1', port: 502 } };
  const configured = { protocolName: 'modbus', configData: visitor.modbus };
  const v1beta1 = {
    ...head,
    spec: { ...common, protocol: modbus, properties: [{ name: 'p', visitors: configured, reportPolicy: written }] },
  };
  const v1alpha2 = { ...head, spec: { ...common, protocol, propertyVisitors: [{ propertyName: 'p', ...visitor }] } };
  const v1alpha1 = { ...head, spec: { ...common, protocol } };
  const withVisitors = model({ double: {} }, { propertyVisitors: [{ propertyName: 'p', ...visitor }] });
  assert.equal(policyIn(v1beta1), { policy: wanted, said: [] });
  assert.equal(policyIn(v1alpha2), { policy: wanted, said: [] });
  assert.equal(policyIn(v1alpha1, withVisitors), { policy: wanted, said: [] });
});

const forms: [written: unknown, policy: ReportPolicy | undefined, said?: RegExp][] = [
  [undefined, undefined],
  [null, undefined],
  [{}, undefined],
  [{ mode: 'onChange' }, undefined],
  [{ mode: 'always' }, { always: true }],
  [
    { mode: 'ALWAYS', deadband: 0.5 },
    { always: true, deadband: { kind: 'absolute', value: 0.5 } },
  ],
  [{ deadband: '0.25' }, { deadband: { kind: 'absolute', value: 0.25 } }],
  [{ deadband: 0 }, undefined],
  [{ heartbeat: 30_000 }, { heartbeatMs: 30_000 }],
  [{ heartbeat: 'soon', deadband: '1 %' }, { deadband: { kind: 'percent', value: 1 } }, /heartbeat: is no time/],
  [{ mode: 'never' }, undefined, /"never" is no mode/],
  [{ deadband: -1 }, undefined, /is no deadband/],
  ['always', undefined, /is no mapping/],
];
for (const [policy, meant, told] of forms) {
  test(`${JSON.stringify(policy)} means ${JSON.stringify(meant)}`, () => {
    const device = { ...head, spec: { ...common, protocol, propertyVisitors: [{ ...visitor, propertyName: 'p', reportPolicy: policy }] } };
    const { policy: read, said } = policyIn(device);
    assert.equal(read, meant);
    assert.is(said.length, told === undefined ? 0 : 1);
    if (told !== undefined) assert.match(said[0] ?? '', told);
  });
}

test('a deadband of what is no number is told and not used', () => {
  const device = { ...head, spec: { ...common, protocol, propertyVisitors: [{ propertyName: 'p', ...visitor }] } };
  const { policy, said } = policyIn(device, model({ string: {} }));
  assert.equal(policy, { heartbeatMs: 300_000 });
  assert.equal(said, ['warn spec.propertyVisitors[0].reportPolicy.deadband: a string has no deadband: it is not used']);
});

test.run();
