/** What a Device says of itself in words. */
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { conditionsOf, ownConditions, shownState, type DeviceSituation } from '#cloud/devicecontroller/conditions.ts';
import { viewOf } from '#cloud/devicecontroller/device-view.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

const model = thermostatModel();

function situation(over: Partial<DeviceSituation> = {}): DeviceSituation {
  return { view: viewOf(thermostat(), model), rival: undefined, node: 'ready', state: { state: 'online' }, overrides: new Map(), ...over };
}

/** These need another object to be there or not. */
const OTHERWISE = new Set(['condition-model-missing.yaml', 'condition-name-conflict.yaml']);

const { spec: _spec, ...nowhere } = thermostat();

for (const [what, over, expected, state] of [
  ['answers', {}, ['Ready True DeviceOnline'], 'online'],
  ['answers in the words of another mapper', { state: { state: 'OK' } }, ['Ready True DeviceOnline'], 'OK'],
  ['is offline', { state: { state: 'offline', reason: 'no answer from 192.0.2.7' } }, ['Ready False DeviceNotOnline'], 'offline'],
  ['was never heard of', { state: undefined }, ['Ready Unknown NotReported'], undefined],
  ['is on a lost node', { node: 'lost' }, ['Ready Unknown NodeNotReady'], 'unknown'],
  [
    'is for a node that is not there yet',
    { node: 'missing', state: undefined },
    ['Ready False NodeUnknown', 'NodeUnknown True NodeNotFound'],
    undefined,
  ],
  [
    'has no node',
    { view: viewOf(nowhere, undefined), node: 'missing' },
    ['Ready False NodeUnknown', 'NodeUnknown True NoNodeNamed', 'ProfileInvalid True NotUsableAsWritten'],
    'online',
  ],
  ['has no model', { view: viewOf(thermostat(), undefined) }, ['Ready False ModelMissing', 'ModelMissing True ModelNotFound'], 'online'],
  [
    'has a younger name',
    { rival: viewOf(thermostat({ namespace: 'old', created: '2025-01-01T00:00:00Z' }), model) },
    ['Ready False NameConflict', 'NameConflict True OlderDeviceHasTheName'],
    undefined,
  ],
  [
    'holds a local value',
    { overrides: new Map([['setpoint', '25']]) },
    ['Ready True DeviceOnline', 'LocalOverride True SetAtTheEdge'],
    'online',
  ],
] as const satisfies readonly (readonly [string, Partial<DeviceSituation>, readonly string[], string | undefined])[]) {
  test(`a device that ${what}`, () => {
    const here = situation(over);
    const found = conditionsOf(here);
    assert.equal(
      found.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
      expected,
    );
    assert.is(shownState(here), state);
    for (const { type, message } of found) {
      assert.ok(ownConditions.has(type));
      assert.ok(message.length > 10, message);
    }
  });
}

test('a condition says what admission warned with, for each file of its corpus', () => {
  const folder = new URL('../../../fixtures/admission/', import.meta.url);
  const files = readdirSync(folder).filter((file) => file.startsWith('condition-') && !OTHERWISE.has(file));
  assert.ok(files.length >= 18);
  for (const file of files) {
    const text = readFileSync(new URL(file, folder), 'utf8');
    const objects = yamlDocuments(text) as (Record<string, unknown> & KubeObject)[];
    const [model, device] = ['DeviceModel', 'Device'].map((kind) => objects.find((object) => object.kind === kind));
    if (device === undefined) continue;
    const said = conditionsOf(situation({ view: viewOf(device, model) })).map(({ message }) => message.replaceAll('model:', ''));
    const sentence = /^# condition: (.*)$/m.exec(text)?.[1] ?? '';
    assert.ok(
      said.some((message) => message.includes(sentence)),
      `${file}: ${said.join('; ')}`,
    );
  }
});

test('the words name what to mend', () => {
  const messageOf = (over: Partial<DeviceSituation>, type: string): string | undefined =>
    conditionsOf(situation(over)).find((condition) => condition.type === type)?.message;
  assert.is(messageOf({ overrides: new Map([['setpoint', '25']]) }, 'LocalOverride'), 'setpoint is held at 25 (the API wants 21)');
  assert.is(
    messageOf({ rival: viewOf(thermostat({ namespace: 'old', created: '2025-01-01T00:00:00Z' }), model) }, 'NameConflict'),
    'metadata.name: old/thermo is older and has the name thermo on node pi: rename one',
  );
  assert.is(
    messageOf({ view: viewOf(thermostat(), undefined) }, 'ModelMissing'),
    'spec.deviceModelRef.name: there is no DeviceModel therm in namespace default: create it',
  );
  assert.match(messageOf({ state: { state: 'offline', reason: 'no answer' } }, 'Ready') ?? '', /offline: no answer$/);
});

test('what cannot be used as written is told with its path, a few of many', () => {
  const view = viewOf(thermostat({ desired: 'warm' }), model);
  const [, invalid] = conditionsOf(situation({ view }));
  assert.is(invalid?.type, 'ProfileInvalid');
  assert.match(invalid?.message ?? '', /^status\.twins\[0\]\.desired\.value: "warm" is no int/);
  const many = {
    ...view,
    problems: Array.from({ length: 9 }, (_, index) => ({ severity: 'condition' as const, path: `p${index}`, message: 'x' })),
  };
  assert.match(conditionsOf(situation({ view: many }))[1]?.message ?? '', /p4: x; and 4 more$/);
});

test.run();
