/** Owns the proof of the pure parts of get, set and watch: patches, checks, tables. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { readProfile } from '#device-models/read-profile.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';
import { checkChange, readChanges } from '../../../bin/commands/twins/check-value.ts';
import { ageText, columns } from '../../../bin/commands/twins/columns.ts';
import { planDesired, type Wanted } from '../../../bin/commands/twins/desired-patch.ts';
import { deviceLine, nodeLine, twinLines } from '../../../bin/commands/twins/device-text.ts';
import { changesBetween, seenText } from '../../../bin/commands/twins/seen.ts';
import { lastApplied } from '../../../bin/commands/demo/objects.ts';

function object(yaml: string): KubeObject {
  return { apiVersion: 'devices.kubeedge.io/v1alpha2', kind: 'Device', ...yamlDocuments(yaml)[0] } as unknown as KubeObject;
}

test('a row says why a value is not good, or not there', () => {
  const device = object(`
    metadata: {name: d}
    spec: {properties: [{name: a}, {name: b}, {name: c, desired: {value: "5"}}]}
    status:
      twins:
        - {propertyName: a, reported: {value: '', metadata: {type: string, quality: bad, reason: ILLEGAL DATA ADDRESS}}}
        - {propertyName: b, reported: {value: '7', metadata: {timestamp: '1000', quality: stale, reason: no answer}}}
        - {propertyName: c, reported: {value: '4', metadata: {timestamp: '1000', quality: bad}}}`);
  const lines = twinLines(device, readProfile(device, undefined).profile);
  assert.equal(
    lines.map(({ property, reported, state }) => [property, reported, state]),
    [
      ['a', undefined, 'bad: ILLEGAL DATA ADDRESS'],
      ['b', '7', 'stale'],
      ['c', '4', 'pending, bad: no reason was given'],
    ],
  );
});

const setpoint: Wanted = { property: 'setpoint', value: '23', type: 'float' };
const wanted = { value: '23', metadata: { type: 'float' } };
const version = { op: 'test', path: '/metadata/resourceVersion', value: '7' };

const patches: [what: string, yaml: string, operations: unknown[]][] = [
  [
    'a desired value that is there',
    'status: {twins: [{propertyName: a}, {propertyName: setpoint, desired: {value: "21", metadata: {type: float, timestamp: "1"}}}]}',
    [
      { op: 'test', path: '/status/twins/1/propertyName', value: 'setpoint' },
      { op: 'add', path: '/status/twins/1/desired/value', value: '23' },
    ],
  ],
  [
    'a twin that was only reported',
    'status: {twins: [{propertyName: setpoint, reported: {value: "20"}}]}',
    [
      { op: 'test', path: '/status/twins/0/propertyName', value: 'setpoint' },
      { op: 'add', path: '/status/twins/0/desired', value: wanted },
    ],
  ],
  [
    'a twin that is missing',
    'metadata: {resourceVersion: "7"}\nstatus: {twins: []}',
    [version, { op: 'add', path: '/status/twins/-', value: { propertyName: 'setpoint', desired: wanted } }],
  ],
  [
    'a status without twins',
    'metadata: {resourceVersion: "7"}\nstatus: {}',
    [version, { op: 'add', path: '/status/twins', value: [{ propertyName: 'setpoint', desired: wanted }] }],
  ],
  [
    'no status at all',
    'metadata: {resourceVersion: "7"}',
    [
      version,
      { op: 'add', path: '/status', value: {} },
      { op: 'add', path: '/status/twins', value: [{ propertyName: 'setpoint', desired: wanted }] },
    ],
  ],
  [
    'v1beta1 with the property',
    'spec: {properties: [{name: setpoint, visitors: {}, desired: {value: "1"}}]}\nstatus: {twins: [{propertyName: setpoint}]}',
    [
      { op: 'test', path: '/spec/properties/0/name', value: 'setpoint' },
      { op: 'add', path: '/spec/properties/0/desired/value', value: '23' },
    ],
  ],
  [
    'v1beta1 without the property',
    'apiVersion: devices.kubeedge.io/v1beta1\nmetadata: {resourceVersion: "7"}\nspec: {nodeName: n}',
    [version, { op: 'add', path: '/spec/properties', value: [{ name: 'setpoint', desired: wanted }] }],
  ],
];
for (const [what, yaml, operations] of patches) {
  test(`the patch for ${what}`, () => assert.equal(planDesired(object(yaml), [setpoint]), operations));
}

test('two values go in one patch', () => {
  const device = object('metadata: {resourceVersion: "7"}\nstatus: {twins: [{propertyName: setpoint}]}');
  const operations = planDesired(device, [setpoint, { property: 'mode', value: 'eco', type: 'string' }]);
  assert.equal(
    operations.map(({ op, path }) => `${op} ${path}`),
    ['test /metadata/resourceVersion', 'test /status/twins/0/propertyName', 'add /status/twins/0/desired', 'add /status/twins/-'],
  );
});

function profile(): DeviceProfile {
  const [model = {}] = yamlDocuments(`spec: {properties: [
    {name: setpoint, type: {float: {accessMode: ReadWrite, minimum: 5, maximum: 35, unit: °C}}},
    {name: temperature, type: {float: {accessMode: ReadOnly}}},
    {name: power, type: {boolean: {}}}, {name: level, type: {int: {minimum: 3}}}, {name: label, type: {string: {}}}]}`);
  return readProfile({ metadata: { name: 'd' }, spec: { deviceModelRef: { name: 'm' }, nodeName: 'n' } }, model).profile;
}

const checks: [property: string, value: string, taken: string | RegExp][] = [
  ['setpoint', '23', '23'],
  ['setpoint', '36', /^36 is outside the range of d\.setpoint: 5 to 35 °C$/],
  ['setpoint', 'warm', /^d\.setpoint is a float, and "warm" is none$/],
  ['setpoint', '', /^d\.setpoint is a float, so an empty text is no value for it$/],
  ['temperature', '20', /^d\.temperature is read-only: /],
  ['setpont', '20', /^d has no property setpont; did you mean setpoint\?$/],
  ['colour', 'red', /^d has no property colour; it has setpoint, temperature, power, level, label$/],
  ['power', 'ON', 'true'],
  ['power', 'maybe', /^d\.power is a boolean, and "maybe" is none: use true or false$/],
  ['level', '2', /at least 3$/],
  ['level', '4.5', /^d\.level is an int, and "4.5" is none$/],
  ['label', '', ''],
];
for (const [property, value, taken] of checks) {
  test(`${property}=${value} is ${typeof taken === 'string' ? 'taken' : 'refused in one sentence'}`, () => {
    if (typeof taken === 'string') assert.is(checkChange(profile(), { property, value }).value, taken);
    else assert.throws(() => checkChange(profile(), { property, value }), taken);
  });
}

test('arguments are split at their first equals sign', () => {
  assert.equal(readChanges(['a=b=c', 'd=']), [
    { property: 'a', value: 'b=c' },
    { property: 'd', value: '' },
  ]);
  assert.throws(() => readChanges(['=x']), /^"=x" sets nothing: write property=value$/);
});

test('columns are as wide as their widest cell, and control characters cannot play with the terminal', () => {
  assert.equal(columns(['A', 'BB'], [['é\u001b[2Jx', '1']]), ['A       BB', 'é [2Jx  1']);
});

test('ages read as kubectl writes them', () => {
  assert.equal([0, 59_999, 119_000, 200_000, 3_600_000, 3 * 3_600_000, 3 * 86_400_000].map(ageText), [
    '0s',
    '59s',
    '119s',
    '3m20s',
    '60m',
    '3h',
    '3d',
  ]);
});

test('a device in the API says what is desired, reported, overridden and wrong', () => {
  const device = object(`
metadata: {name: d}
spec: {deviceModelRef: {name: m}, nodeName: n}
status:
  state: offline
  lastOnlineTime: 2026-01-02T03:04:05Z
  conditions:
  - {type: Ready, status: "False", message: the device is offline}
  - {type: LocalOverride, status: "True", message: "level is held at 9 (the API wants 4)"}
  twins:
  - {propertyName: setpoint, desired: {value: "23"}, reported: {value: "23.0", metadata: {timestamp: "1000", type: float}}}
  - {propertyName: power, desired: {value: "true"}, reported: {value: ""}}
  - {propertyName: level, desired: {value: "4"}, reported: {value: "9", metadata: {timestamp: "1"}}}`);
  const { profile: plain } = readProfile(
    device,
    yamlDocuments(
      'spec: {properties: [{name: setpoint, type: {float: {}}}, {name: power, type: {boolean: {}}}, {name: level, type: {int: {}}}]}',
    )[0],
  );
  assert.equal(
    twinLines(device, plain).map(({ property, desired, reported, state }) => [property, desired, reported, state]),
    [
      ['setpoint', '23', '23.0', 'in sync'],
      ['power', 'true', undefined, 'pending'],
      ['level', '4', '9', 'override 9'],
    ],
  );
  const line = deviceLine(device, plain);
  assert.equal([line.state, line.note, line.lastSeenMs], ['offline', 'the device is offline', Date.UTC(2026, 0, 2, 3, 4, 5)]);
});

test('a node is Ready, NotReady or Unknown', () => {
  const node = (status: string): string =>
    nodeLine(object(`metadata: {name: n}\nstatus: {conditions: [{type: Ready, status: "${status}"}]}`), 0).ready;
  assert.equal(['True', 'False', 'Unknown'].map(node), ['Ready', 'NotReady', 'Unknown']);
});

test('only what changed is shown, and a new time-stamp is no change', () => {
  const look = (reported: string, at: number): Parameters<typeof changesBetween>[1] => ({
    device: { namespace: '', name: 'd', node: '', model: '', protocol: '', state: 'online', note: '' },
    twins: [
      { property: 'a', type: 'int', unit: 'W', readOnly: true, reported, reportedAtMs: at, state: '' },
      { property: 'b', type: 'int', unit: '', readOnly: false, desired: '1', state: 'pending' },
    ],
  });
  assert.equal(changesBetween(undefined, look('1', 1)).map(seenText), ['d is online', 'd a 1 W', 'd b not reported (desired 1, pending)']);
  assert.equal(changesBetween(look('1', 1), look('1', 2)), []);
  assert.equal(changesBetween(look('1', 1), look('2', 2)).map(seenText), ['d a 2 W']);
});

test('what was applied is remembered as kubectl writes it', () => {
  const text = lastApplied(object('metadata: {name: d, namespace: x}\nspec: {b: 0.1, a: "<&>"}'));
  assert.is(
    text,
    '{"apiVersion":"devices.kubeedge.io/v1alpha2","kind":"Device","metadata":{"annotations":{},"name":"d","namespace":"x"},"spec":{"a":"\\u003c\\u0026\\u003e","b":0.1}}\n',
  );
});

test.run();
