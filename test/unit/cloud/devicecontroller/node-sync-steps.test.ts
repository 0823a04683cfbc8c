/** Which step comes next for a device under one name, and how KubeEdge's edges are told of it. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceView } from '#cloud/devicecontroller/device-view.ts';
import { nextStep, type Told } from '#cloud/devicecontroller/node-sync.ts';
import { thermostat } from '#test/support/device-objects.ts';
import { nodeSyncRig } from '#test/support/node-sync-rig.ts';

const view = (over: Partial<DeviceView>): DeviceView =>
  ({ uid: 'u', definition: 'd', desired: 'e', twins: ['a'], modelMissing: false, ...over }) as DeviceView;
const told = (over: Partial<Told> = {}): Told => ({ uid: 'u', definition: 'd', desired: 'e', twins: ['a'], ...over });

for (const [what, peer, was, is, step] of [
  ['nothing there, nothing told', 'hivelet', undefined, undefined, 'nothing'],
  ['a new device', 'hivelet', undefined, view({}), 'add'],
  ['a device that is gone', 'hivelet', told(), undefined, 'remove'],
  ['the same', 'hivelet', told(), view({}), 'nothing'],
  ['another desired value', 'hivelet', told(), view({ desired: 'f' }), 'desired'],
  ['another definition', 'hivelet', told(), view({ definition: 'x' }), 'add'],
  ['another definition because its model is missing', 'hivelet', told(), view({ definition: 'x', modelMissing: true }), 'nothing'],
  ['another device of that name', 'hivelet', told(), view({ uid: 'v' }), 'add'],
  ['another definition', 'kubeedge', told(), view({ definition: 'x' }), 'nothing'],
  ['another desired value', 'kubeedge', told(), view({ desired: 'f' }), 'desired'],
  ['a twin less', 'kubeedge', told({ twins: ['a', 'b'] }), view({}), 'desired'],
  ['another device of that name', 'kubeedge', told(), view({ uid: 'v' }), 'remove'],
] as const) {
  test(`${what} is for a ${peer} peer: ${step}`, () => assert.is(nextStep(was, is, peer), step));
}

test('a KubeEdge edge gets the full list without extensions, twins of the object only, empty text where nothing is desired', () => {
  const { book, live } = nodeSyncRig('kubeedge');
  book.upsert(thermostat({ desired: null }));
  const labelled = thermostat({ name: 'bare', status: {} });
  labelled.metadata.labels = { description: 'no twins' };
  book.upsert(labelled);
  const [detail] = live();
  assert.is(detail?.content.hivelet, undefined);
  const [thermo, bare] = detail!.content.devices;
  const { timestamp } = thermo!.twin!.setpoint!.expected!.metadata!;
  assert.equal(thermo, {
    id: 'thermo',
    name: 'thermo',
    twin: {
      setpoint: {
        expected: { value: '', metadata: { timestamp } },
        optional: false,
        metadata: { type: 'string' },
        expected_version: { cloud: 7, edge: 0 },
      },
    },
  });
  assert.equal(bare, { id: 'bare', name: 'bare', description: 'no twins' });
});

test('a KubeEdge edge is told once: desired values, deleted twins, and a device of the same name only after the old one went', () => {
  const { book, live, frames, window } = nodeSyncRig('kubeedge');
  book.upsert(thermostat());
  live();
  book.upsert(
    thermostat({ version: 8, status: { twins: [{ propertyName: 'temperature', desired: { value: '1', metadata: { type: 'float' } } }] } }),
  );
  const [update] = frames();
  assert.is(update?.content.twin.setpoint?.metadata?.type, 'deleted');
  assert.is(update?.content.twin.temperature?.expected?.value, '1');
  assert.is(update?.content.hivelet, undefined);
  book.upsert(thermostat({ uid: 'again', version: 9 }));
  assert.equal(
    frames().map(({ content }) => [content.removed_devices?.[0]?.id, content.added_devices?.[0]?.id]),
    [
      ['thermo', undefined],
      [undefined, 'thermo'],
    ],
  );
  assert.is(window.size, 0);
});

test.run();
