/** What tables show of a DeviceModel: written once per change, and not again where it is not kept. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { ModelSummaries, modelSummaryOf } from '#cloud/devicecontroller/model-summary.ts';
import { deviceModels, type KubeObject } from '#cloud/store/kube-api.ts';
import { thermostatModel } from '#test/support/device-objects.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const model = (...names: unknown[]): KubeObject => ({
  ...thermostatModel(),
  spec: { properties: names.map((name) => ({ name })) },
});

const texts: [what: string, names: unknown[], count: number, properties: string][] = [
  ['no properties', [], 0, ''],
  ['two', ['setpoint', 'temperature'], 2, 'setpoint,temperature'],
  ['twenty', Array.from({ length: 20 }, (_, index) => `prop-${index}`), 20, 'prop-0,prop-1,prop-2,prop-3,prop-4,prop-5,prop-6,prop-7 +12'],
  ['one with an endless name', ['x'.repeat(100)], 1, 'x'.repeat(60)],
  ['what has no name', [undefined, 'a', 7], 2, 'a,7'],
];
for (const [what, names, count, properties] of texts)
  test(`${what}: ${properties}`, () => assert.equal(modelSummaryOf(model(...names)), { count, properties }));

function rig() {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const abort = new AbortController();
  const summaries = new ModelSummaries({ api, clock, log: silentLogger(), signal: abort.signal });
  const apply = (object: KubeObject): KubeObject => {
    const { uid: _uid, resourceVersion: _version, ...metadata } = object.metadata;
    const put = api.put(deviceModels, { ...object, metadata });
    summaries.changed(put);
    return put;
  };
  const shown = (): unknown => (api.peek(deviceModels, { namespace: 'default', name: 'therm' })?.status as { summary?: unknown })?.summary;
  return { clock, api, abort, summaries, apply, shown, writes: () => api.patches(deviceModels).length };
}

test('a model is written once, and again when its properties change', async () => {
  const { clock, api, summaries, apply, shown, writes } = rig();
  apply(model('a', 'b'));
  await clock.settle();
  assert.equal([shown(), writes()], [{ count: 2, properties: 'a,b' }, 1]);
  summaries.changed(api.peek(deviceModels, { namespace: 'default', name: 'therm' })!);
  await clock.settle();
  assert.is(writes(), 1, 'our own write comes back with the watch');
  apply(model('a'));
  await clock.settle();
  assert.equal([shown(), writes()], [{ count: 1, properties: 'a' }, 2]);
});

test('where the definition does not keep it, it is not written again', async () => {
  const { clock, api, summaries, apply, writes } = rig();
  const patch = api.patch.bind(api);
  api.patch = (type, name, change) => patch(type, name, { ...change, type: 'merge', body: {} });
  const kept = apply(model('a'));
  for (let round = 0; round < 3; round += 1) {
    await clock.settle();
    summaries.changed(kept);
  }
  assert.is(writes(), 1);
});

test('an API that is away is asked again; a refusal is left; after the end nothing waits', async () => {
  const { clock, api, abort, apply, shown, writes } = rig();
  api.before = ({ verb }) => {
    if (verb === 'patch') throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
  };
  apply(model('a'));
  await clock.advance(20_000);
  assert.is(shown(), undefined);
  api.before = () => undefined;
  await clock.advance(60_000);
  assert.equal(shown(), { count: 1, properties: 'a' });
  api.before = ({ verb }) => {
    if (verb === 'patch') throw MemoryKubeApi.failure(403, 'Forbidden');
  };
  const before = writes();
  apply(model('b'));
  await clock.advance(60_000);
  assert.is(writes(), before + 1);
  api.before = ({ verb }) => {
    if (verb === 'patch') throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
  };
  apply(model('c'));
  await clock.settle();
  abort.abort(new Error('stopped'));
  await clock.settle();
  assert.is(clock.pending, 0);
});

test.run();
