/** Which JSON patch brings the status of a Device to what the edge said. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReportedValue } from '#cloud/devicecontroller/device-report.ts';
import { planStatus, type WantedStatus } from '#cloud/devicecontroller/status-patch.ts';
import { applyJsonPatch } from '#cloud/store/embedded/patch/json.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { thermostat } from '#test/support/device-objects.ts';

const NOW = Date.UTC(2026, 5, 1, 12);
const ready = { type: 'Ready', status: 'True', reason: 'DeviceOnline', message: 'the device answers' } as const;

function reports(values: Record<string, string>): Map<string, ReportedValue> {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, type: 'int', timestampMs: 1_800_000_000_009 }]));
}

function wanted(over: Partial<WantedStatus> = {}): WantedStatus {
  return {
    twins: new Map(),
    observed: new Map(),
    state: undefined,
    lastSeenMs: undefined,
    conditions: [],
    ownTypes: new Set(['Ready', 'NameConflict']),
    summary: {},
    writes: new Map(),
    ...over,
  };
}

function after(object: KubeObject, want: WantedStatus): Record<string, unknown> {
  const patched = applyJsonPatch(structuredClone(object), planStatus(object, want, NOW)) as KubeObject;
  assert.equal(planStatus(patched, want, NOW), [], 'once is enough');
  return patched.status as Record<string, unknown>;
}

const withTwins = (...twins: unknown[]): KubeObject => thermostat({ status: { twins } });

test('a reported value goes into its own entry, whose name is tested at the index; desired is not touched', () => {
  const object = withTwins({ propertyName: 'other' }, { propertyName: 'setpoint', desired: { value: '21' }, reported: { value: '' } });
  assert.equal(planStatus(object, wanted({ twins: reports({ setpoint: '20' }) }), NOW), [
    { op: 'test', path: '/status/twins/1/propertyName', value: 'setpoint' },
    {
      op: 'add',
      path: '/status/twins/1/reported',
      value: { value: '20', metadata: { timestamp: '1800000000009', type: 'int', quality: 'good' } },
    },
  ]);
});

test('the same value with another time-stamp is no write; another type is', () => {
  const entry = (type: string): KubeObject =>
    withTwins({ propertyName: 'setpoint', reported: { value: '20', metadata: { timestamp: '1', type } } });
  assert.equal(planStatus(entry('int'), wanted({ twins: reports({ setpoint: '20' }) }), NOW), []);
  assert.is(planStatus(entry('string'), wanted({ twins: reports({ setpoint: '20' }) }), NOW).length, 2);
});

test('a time that was taken before the clock of the node was set is marked', () => {
  const twins = new Map([['setpoint', { value: '20', type: 'int', timestampMs: 86_400_000 }]]);
  const [twin] = after(withTwins(), wanted({ twins })).twins as { reported: { metadata: Record<string, string> } }[];
  assert.equal(twin?.reported.metadata, { timestamp: '86400000', type: 'int', clock: 'unset', quality: 'good' });
});

test('a value that is no longer good says why; one that says nothing of it is good', () => {
  const doubted = (word: 'stale' | 'bad'): ReadonlyMap<string, ReportedValue> =>
    new Map([['setpoint', { value: '20', type: 'int', timestampMs: 1_800_000_000_009, doubt: { word, reason: 'no answer' } }]]);
  const object = withTwins({ propertyName: 'setpoint', reported: { value: '20', metadata: { timestamp: '1800000000009', type: 'int' } } });
  assert.equal(after(object, wanted({ twins: doubted('bad') })).twins, [
    {
      propertyName: 'setpoint',
      reported: { value: '20', metadata: { timestamp: '1800000000009', type: 'int', quality: 'bad', reason: 'no answer' } },
    },
  ]);
  const bad = { ...object, status: after(object, wanted({ twins: doubted('bad') })) };
  assert.is(planStatus(bad, wanted({ twins: doubted('stale') }), NOW).length, 2);
  assert.is(planStatus(bad, wanted({ twins: reports({ setpoint: '20' }) }), NOW).length, 2);
});

test('a value that was never read says why; one that the API has of it stays, with its time', () => {
  const unread: ReadonlyMap<string, ReportedValue> = new Map([
    ['setpoint', { value: undefined, type: 'int', timestampMs: 0, doubt: { word: 'bad', reason: 'ILLEGAL DATA ADDRESS' } }],
  ]);
  const why = { type: 'int', quality: 'bad', reason: 'ILLEGAL DATA ADDRESS' };
  const shown = (...twins: unknown[]): unknown => (after(withTwins(...twins), wanted({ twins: unread })).twins as unknown[])[0];
  const setpoint = { propertyName: 'setpoint', desired: { value: '21' } };
  assert.equal(shown(), { propertyName: 'setpoint', reported: { value: '', metadata: why } });
  assert.equal(shown(setpoint), { ...setpoint, reported: { value: '', metadata: why } });
  const read = { value: '20', metadata: { timestamp: '1800000000009', type: 'int', quality: 'good' } };
  assert.equal(shown({ ...setpoint, reported: read }), {
    ...setpoint,
    reported: { value: '20', metadata: { timestamp: '1800000000009', ...why } },
  });
});

test('a file that was applied again, with reported: "", heals', () => {
  const status = after(
    withTwins({ propertyName: 'setpoint', desired: { value: '21' }, reported: { value: '' } }),
    wanted({ twins: reports({ setpoint: '20' }) }),
  );
  assert.equal(status.twins, [
    {
      propertyName: 'setpoint',
      desired: { value: '21' },
      reported: { value: '20', metadata: { timestamp: '1800000000009', type: 'int', quality: 'good' } },
    },
  ]);
});

test('entries that are missing are added behind the others, guarded by the version that was looked at', () => {
  const object = withTwins({ propertyName: 'setpoint', desired: { value: '21' } });
  const [guard, ...rest] = planStatus(object, wanted({ twins: reports({ temperature: '19', humidity: '40' }) }), NOW);
  assert.equal(guard, { op: 'test', path: '/metadata/resourceVersion', value: '7' });
  assert.equal(
    rest.map(({ op, path }) => [op, path]),
    [
      ['add', '/status/twins/-'],
      ['add', '/status/twins/-'],
    ],
  );
});

test('a missing list and a missing status are made', () => {
  assert.equal(
    planStatus(thermostat({ status: {} }), wanted({ twins: reports({ a: '1' }) }), NOW).map(({ path }) => path),
    ['/metadata/resourceVersion', '/status/twins'],
  );
  const { status: _status, ...bare } = thermostat();
  assert.equal(after(bare, wanted({ twins: reports({ a: '1' }), state: 'online' })).state, 'online');
  assert.equal(planStatus(bare, wanted(), NOW), [], 'an empty status is no reason to write');
});

test('an edge that makes up names does not fill the object', () => {
  const names = Object.fromEntries(Array.from({ length: 600 }, (_, index) => [`p${index}`, '1']));
  const object = withTwins({ propertyName: 'setpoint' });
  const status = applyJsonPatch(structuredClone(object), planStatus(object, wanted({ twins: reports(names) }), NOW)) as KubeObject;
  assert.is((status.status as { twins: unknown[] }).twins.length, 512);
});

test('names need no escape in the patch, and hostile ones are entries like others', () => {
  const odd = new Map([
    ['__proto__', { value: '1', type: 'string', timestampMs: 0 }],
    ['a/b~c', { value: '2', type: 'string', timestampMs: 0 }],
  ]);
  const status = after(withTwins({ propertyName: 'a/b~c' }), wanted({ twins: odd }));
  assert.equal(
    (status.twins as { propertyName: string; reported: { value: string } }[]).map(({ propertyName, reported }) => [
      propertyName,
      reported.value,
    ]),
    [
      ['a/b~c', '2'],
      ['__proto__', '1'],
    ],
  );
});

test('state is written when it is known and differs', () => {
  const object = thermostat({ status: { state: 'online' } });
  assert.equal(planStatus(object, wanted({ state: 'online' }), NOW), []);
  assert.equal(planStatus(object, wanted(), NOW), []);
  assert.equal(planStatus(object, wanted({ state: 'offline' }), NOW), [{ op: 'add', path: '/status/state', value: 'offline' }]);
});

test('last-seen rides along with other changes; alone it is written when the API is five minutes behind', () => {
  const object = thermostat({ status: { lastOnlineTime: '2026-06-01T11:58:00Z' } });
  assert.equal(planStatus(object, wanted({ lastSeenMs: NOW }), NOW), []);
  assert.equal(planStatus(object, wanted({ lastSeenMs: NOW, state: 'online' }), NOW).at(-1), {
    op: 'add',
    path: '/status/lastOnlineTime',
    value: '2026-06-01T12:00:00Z',
  });
  assert.equal(
    planStatus(object, wanted({ lastSeenMs: NOW + 180_000 }), NOW).map(({ path }) => path),
    ['/status/lastOnlineTime'],
  );
  assert.is(planStatus(thermostat({ status: {} }), wanted({ lastSeenMs: NOW }), NOW).length, 1);
});

test('conditions of ours are replaced, those of others stay, the time of transition stays while the status does', () => {
  const foreign = { type: 'Calibrated', status: 'True' };
  const before = { ...ready, message: 'older words', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const object = thermostat({ status: { conditions: [before, foreign, { type: 'NameConflict', status: 'True' }] } });
  assert.equal(after(object, wanted({ conditions: [ready] })).conditions, [
    foreign,
    { ...ready, lastTransitionTime: '2026-01-01T00:00:00Z' },
  ]);
  const turned = { ...ready, status: 'False', reason: 'DeviceNotOnline' } as const;
  assert.equal(after(object, wanted({ conditions: [turned] })).conditions, [
    foreign,
    { ...turned, lastTransitionTime: '2026-06-01T12:00:00Z' },
  ]);
  assert.equal(after(thermostat({ status: {} }), wanted({ conditions: [ready] })).conditions, [
    { ...ready, lastTransitionTime: '2026-06-01T12:00:00Z' },
  ]);
});

test('what the edge observed of desired values is written for v1beta1 objects, along with something else only', () => {
  const object = withTwins({ propertyName: 'setpoint', reported: { value: '1', metadata: { type: 'int' } } });
  const want = wanted({ observed: new Map([['setpoint', '21']]), twins: reports({ setpoint: '2' }) });
  assert.is(planStatus(object, want, NOW).length, 2, 'v1alpha2 has no such field');
  const beta = { ...object, spec: { properties: [{ name: 'setpoint', desired: { value: '21' } }] } };
  assert.equal(
    (after(beta, want).twins as Record<string, unknown>[]).map(({ observedDesired }) => observedDesired),
    [{ value: '21' }],
  );
  assert.equal(planStatus(beta, wanted({ observed: want.observed }), NOW), []);
});

test('a status of the wrong shape is replaced where it is ours and does not throw', () => {
  for (const status of [{ twins: 'x', conditions: 7, state: {} }, { twins: [null, 'x', { propertyName: 5 }] }]) {
    const want = wanted({ twins: reports({ a: '1' }), state: 'online', conditions: [ready] });
    assert.is(after(thermostat({ status }), want).state, 'online');
  }
});

test('what became of a write stands beside the report, once', () => {
  const outcome = { desired: '21', stamp: 5, result: 'reached', observed: '20.9', ms: 41 } as const;
  const object = withTwins({ propertyName: 'setpoint', desired: { value: '21' } });
  const want = wanted({ writes: new Map([['setpoint', { outcome, override: false }]]) });
  const write = { desired: '21', result: 'reached', observed: '20.9', durationMs: 41, timestamp: '5' };
  assert.equal(after(object, want).twins, [{ propertyName: 'setpoint', desired: { value: '21' }, write }]);
  assert.equal(after(withTwins(), want).twins, [{ propertyName: 'setpoint', write }], 'also of a property that was never reported');
});

test('the short texts are replaced as a whole when one of them differs', () => {
  const object = thermostat({ status: { summary: { node: 'pi', values: 'a 1' } } });
  assert.equal(planStatus(object, wanted({ summary: { values: 'a 1', node: 'pi' } }), NOW), []);
  assert.equal(planStatus(object, wanted({ summary: { node: 'pi' } }), NOW), [
    { op: 'add', path: '/status/summary', value: { node: 'pi' } },
  ]);
});

test.run();
