/** What people are told of a device: events about desired values, from the register up to the API, once each, also when the link was down. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices, events, type JsonPatchOperation } from '#cloud/store/kube-api.ts';
import { boilerDevice, boilerModel, REGISTER, startBoiler, type Boiler } from '#test/simulators/modbus-boiler.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { thermostat } from '#test/support/device-objects.ts';
import { ask, startTestEdge, watchMqtt, type TestEdge } from '#test/support/edge.ts';
import { freePort } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

interface World {
  boiler: Boiler;
  cloud: TestCloud;
  edge: TestEdge;
  dataDir: string;
  sets: string[];
}

const NAME = { namespace: 'default', name: 'boiler' };
const test = suite<World>('device events');

test.before.each(async (world) => {
  world.dataDir = tempDir();
  const hubPort = await freePort();
  world.sets = [`modules.cloudHub.websocket.port=${hubPort}`];
  world.boiler = await startBoiler();
  world.cloud = await startTestCloud({ dataDir: world.dataDir, sets: world.sets });
  await world.cloud.api.create(deviceModels, boilerModel);
  await initCloud({ dataDir: world.dataDir, advertise: [], clock: systemClock, nodeName: 'pi' });
  world.edge = await startTestEdge({ dataDir: world.dataDir, node: 'pi', hub: `127.0.0.1:${hubPort}` });
});

test.after.each(async ({ boiler, cloud, edge }) => {
  await edge.edge.stop();
  await cloud.close();
  await boiler.close();
});

/** `Type Reason: message` of each event about the boiler, the oldest first, with how often it happened when that is not once. */
async function told({ cloud }: World): Promise<string[]> {
  const { items } = await cloud.api.list(events, { fieldSelector: 'involvedObject.kind=Device,involvedObject.name=boiler' });
  const order = (item: (typeof items)[number]): string => `${String(item['firstTimestamp'])} ${item.metadata.name}`;
  return items
    .sort((left, right) => (order(left) < order(right) ? -1 : 1))
    .map(
      ({ type, reason, message, count }) =>
        `${String(type)} ${String(reason)}: ${String(message)}${count === 1 ? '' : ` (${String(count)}x)`}`,
    );
}

const aboutWrites = async (world: World): Promise<string[]> => (await told(world)).filter((text) => /Desired|Write/.test(text));

async function createBoiler({ cloud, boiler }: World, desired: Record<string, string> = {}): Promise<void> {
  await cloud.api.create(devices, boilerDevice({ port: boiler.port, desired }));
  await until(async () => (await statusOf(cloud)).state === 'online', { what: 'the boiler to be online' });
}

interface Status {
  state?: string;
  summary?: Record<string, string>;
  twins?: { propertyName: string; desired?: { value: string }; reported?: { value: string }; write?: Record<string, unknown> }[];
}

const statusOf = async (cloud: TestCloud): Promise<Status> => (await cloud.api.get(devices, NAME)).status as Status;

async function desire({ cloud }: World, property: string, value: string): Promise<void> {
  await until(
    async () => {
      const index = (await statusOf(cloud)).twins?.findIndex(({ propertyName }) => propertyName === property) ?? -1;
      if (index < 0) return false;
      const operations: JsonPatchOperation[] = [
        { op: 'test', path: `/status/twins/${index}/propertyName`, value: property },
        { op: 'add', path: `/status/twins/${index}/desired`, value: { value } },
      ];
      await cloud.api.patch(devices, NAME, { type: 'json', operations });
      return true;
    },
    { what: `the twin of ${property}` },
  );
}

const saying = (world: World, text: RegExp, deadlineMs = 10_000): Promise<string> =>
  until(async () => (await told(world)).find((event) => text.test(event)), { what: String(text), deadlineMs });

test('a desired value that is written is told with what was observed and how long it took, once, and stands in the table', async (world) => {
  await createBoiler(world);
  await desire(world, 'setpoint', '23');
  await saying(world, /^Normal DesiredWritten: setpoint: desired 23 written, observed 23 in \d+ ms$/);
  assert.equal(await aboutWrites(world), [await saying(world, /DesiredWritten/)]);
  const { summary, twins } = await statusOf(world.cloud);
  assert.match(summary?.['values'] ?? '', /^setpoint 23 -> 23, /);
  const { durationMs, timestamp, ...write } = twins?.find(({ propertyName }) => propertyName === 'setpoint')?.write ?? {};
  assert.equal(write, { desired: '23', result: 'reached', observed: '23' });
  assert.type(durationMs, 'number');
  assert.type(timestamp, 'string');
});

test('a register that refuses is told in the words of the device, and the rest goes on', async (world) => {
  await createBoiler(world);
  await desire(world, 'limit', '80');
  await saying(world, /^Warning WriteRefused: limit: write refused: ILLEGAL DATA ADDRESS$/);
  await until(async () => (await statusOf(world.cloud)).summary?.['pending'] === 'limit', { what: 'the pending property' });
  await until(async () => (await statusOf(world.cloud)).summary?.['reason']?.includes('ILLEGAL DATA ADDRESS'), { what: 'the reason' });
  await desire(world, 'setpoint', '40');
  await saying(world, /desired 40 written, observed 40/);
  assert.is((await aboutWrites(world)).length, 2);
});

test('a value that is out of bounds is refused with the bounds', async (world) => {
  await createBoiler(world);
  await desire(world, 'setpoint', '120');
  await saying(world, /^Warning WriteRefused: setpoint: write refused: it is outside 5 to 95$/);
});

test('a slow device is told with its time, one that does not answer the write as timed out and then as written', async (world) => {
  await createBoiler(world);
  world.boiler.delayMs = 150;
  await desire(world, 'setpoint', '30');
  const slow = await saying(world, /desired 30 written, observed 30 in \d+ ms/);
  assert.ok(Number(/in (\d+) ms/.exec(slow)?.[1]) >= 300, `${slow}: a write and a reading of 150 ms each`);
  world.boiler.delayMs = 0;
  world.boiler.deaf = true;
  await desire(world, 'setpoint', '31');
  await saying(world, /^Warning WriteTimedOut: setpoint: desired 31 not written, it is tried again: .*did not answer within 500 ms$/);
  world.boiler.deaf = false;
  await saying(world, /^Normal DesiredWritten: setpoint: desired 31 written, observed 31 in /);
  assert.is(world.boiler.unit.get('holding', REGISTER.setpoint), 310);
});

test('what happens while the link is down is told when it is back, and nothing is told again after a restart of the cloud', async (world) => {
  await createBoiler(world);
  world.boiler.deaf = true;
  await desire(world, 'setpoint', '50');
  await saying(world, /WriteTimedOut: setpoint: desired 50/);
  await world.cloud.close();
  world.boiler.deaf = false;
  await until(() => world.boiler.unit.get('holding', REGISTER.setpoint) === 500, { what: 'the register', deadlineMs: 20_000 });
  world.cloud = await startTestCloud({ dataDir: world.dataDir, sets: world.sets });
  const written = /^Normal DesiredWritten: setpoint: desired 50 written, observed 50 in /;
  await saying(world, written);
  await world.cloud.close();
  world.cloud = await startTestCloud({ dataDir: world.dataDir, sets: world.sets });
  await desire(world, 'setpoint', '51');
  await saying(world, /desired 51 written/);
  const all = await aboutWrites(world);
  assert.equal(all.map((text) => text.replace(/:.*?desired (\d+) .*/, ' $1')).sort(), [
    'Normal DesiredWritten 50',
    'Normal DesiredWritten 51',
    'Warning WriteTimedOut 50',
  ]);
});

test('a mapper that says nothing of its writes is judged by its values, and a value set at the edge is told as that', async (world) => {
  const { metadata, ...thermo } = thermostat({ name: 'boiler', model: 'boiler-model', desired: '23' });
  await world.cloud.api.create(devices, { ...thermo, metadata: { name: metadata.name, namespace: 'default' } });
  const mqtt = await watchMqtt(world.edge.port, ['$hw/events/device/boiler/#']);
  const says = (twin: object): Promise<unknown> => ask(mqtt, '$hw/events/device/boiler/twin/update', { twin });
  const known = async (): Promise<string> => JSON.stringify(await ask(mqtt, '$hw/events/device/boiler/twin/get', {}));
  await until(async () => (await known()).includes('"23"'), { what: 'the device at the edge' });
  await says({ setpoint: { actual: { value: '23.0' } } });
  await saying(world, /^Normal DesiredReached: setpoint: desired 23 reached, observed 23\.0$/);
  await says({ setpoint: { expected: { value: '40' } } });
  await saying(world, /^Normal LocalOverride: .*setpoint is held at 40 \(the API wants 23\)$/);
  await mqtt.close();
});

test('the state of a device is told when it changes', async (world) => {
  await createBoiler(world);
  await saying(world, /^Normal StateChanged: (unknown -> )?online$/);
  await world.boiler.close();
  // Writes of a device that has just been busy may be ten seconds apart.
  await saying(world, /^Warning StateChanged: online -> offline: .*/, 20_000);
});

test.run();
