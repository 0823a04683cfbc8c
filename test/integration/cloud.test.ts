/** The cloud as one: API, controllers and hub, with stand-ins for edges over real TLS. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { devices, deviceModels, nodes, type KubeObject } from '#cloud/store/kube-api.ts';
import type { DeviceEntry, MembershipDetail, MembershipUpdate, TwinMessage } from '#wire/device-messages.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { startTestCloud, type TestCloud } from '#test/support/cloud.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import type { FakeEdge } from '#test/support/fake-edge.ts';
import { until } from '#test/support/until.ts';

const NAME = { namespace: 'default', name: 'thermo' };

interface Status {
  state?: string;
  conditions?: { type: string; status: string; reason: string; message: string }[];
  twins?: { propertyName: string; desired?: { value: string }; reported?: { value: string } }[];
}

const bare = ({ metadata, ...rest }: KubeObject): KubeObject => ({
  ...rest,
  metadata: { name: metadata.name, ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }) },
});

async function withCloud(run: (cloud: TestCloud) => Promise<void>, options: Parameters<typeof startTestCloud>[0] = {}): Promise<void> {
  const cloud = await startTestCloud(options);
  try {
    await run(cloud);
  } finally {
    await cloud.close();
  }
}

async function createThermostat(cloud: TestCloud, options: Parameters<typeof thermostat>[0] = {}): Promise<KubeObject> {
  await cloud.api.create(deviceModels, bare(thermostatModel()));
  return cloud.api.create(devices, bare(thermostat(options)));
}

const statusOf = async (cloud: TestCloud, name = NAME): Promise<Status> => (await cloud.api.get(devices, name)).status as Status;

async function reportedOf(cloud: TestCloud, property: string): Promise<string | undefined> {
  return (await statusOf(cloud)).twins?.find(({ propertyName }) => propertyName === property)?.reported?.value;
}

function detailOf(message: BeehiveMessage): MembershipDetail {
  return message.content as MembershipDetail;
}

async function askDetail(edge: FakeEdge, hivelet?: { cluster_uid: string; known: Record<string, string> }): Promise<MembershipDetail> {
  const from = edge.frames.length;
  const content = JSON.stringify({
    event_type: 'group_membership_event',
    operation: 'detail',
    ...(hivelet === undefined ? {} : { hivelet }),
  });
  edge.send({ source: 'twin', group: 'resource', operation: 'get', resource: 'membership/detail', content });
  return detailOf(
    await edge.frame('the list of devices', ({ route, header }) => isDown(route) && header.parent_msg_id === undefined, from),
  );
}

const isDown = (route: BeehiveMessage['route']): boolean => route.resource === 'membership/detail' && route.operation === 'update';

function setDesired(cloud: TestCloud, value: string): Promise<KubeObject> {
  return cloud.api.patch(devices, NAME, {
    type: 'json',
    operations: [
      { op: 'test', path: '/status/twins/0/propertyName', value: 'setpoint' },
      { op: 'add', path: '/status/twins/0/desired', value: { value, metadata: { type: 'int' } } },
    ],
  });
}

const report = (values: Record<string, string>, edge: number, id = 'thermo') => ({
  source: 'twin',
  group: 'resource',
  operation: 'update',
  resource: `device/${id}/twin/edge_updated`,
  content: {
    event_id: 'e',
    timestamp: 1,
    twin: Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        { actual: { value, metadata: { timestamp: 1 } }, metadata: { type: 'int' }, actual_version: { cloud: 0, edge } },
      ]),
    ),
  },
});

test('a desired value goes down and its report comes up, with our edge', async () => {
  await withCloud(async (cloud) => {
    await createThermostat(cloud);
    const edge = await cloud.edge('pi');
    const detail = await askDetail(edge, { cluster_uid: '', known: {} });
    assert.equal(
      detail.devices.map(({ id, hivelet }) => [id, hivelet?.profile.properties.length]),
      [['thermo', 2]],
    );
    await setDesired(cloud, '23');
    const update = await edge.frame('the new desired value', ({ route }) => route.resource === 'device/thermo/twin/cloud_updated');
    assert.is((update.content as TwinMessage).twin.setpoint?.expected?.value, '23');
    const answer = await edge.ask(report({ setpoint: '23', temperature: '19' }, 1));
    assert.is(answer.content, 'OK');
    assert.is(await reportedOf(cloud, 'setpoint'), '23', 'the answer comes after the write');
    assert.is(await reportedOf(cloud, 'temperature'), '19');
    assert.is((await statusOf(cloud)).twins?.[0]?.desired?.value, '23');
  });
});

test('a file that is applied again changes nothing and loses nothing', async () => {
  await withCloud(async (cloud) => {
    await createThermostat(cloud);
    const edge = await cloud.edge('pi');
    await askDetail(edge);
    await edge.ask(report({ setpoint: '21' }, 1));
    const told = edge.frames.length;
    const twins = [{ propertyName: 'setpoint', desired: { value: '21', metadata: { type: 'int' } }, reported: { value: '' } }];
    await cloud.api.patch(devices, NAME, { type: 'merge', body: { status: { twins } } });
    await until(async () => (await reportedOf(cloud, 'setpoint')) === '21', { what: 'the report to be back' });
    assert.equal(
      edge.frames.slice(told).map(({ route }) => route.resource),
      [],
      'nothing flows down because of reports',
    );
  });
});

test('a device that was moved leaves one node and joins the other; a deleted one goes at once', async () => {
  await withCloud(async (cloud) => {
    await createThermostat(cloud);
    const [first, second] = [await cloud.edge('pi'), await cloud.edge('other')];
    await askDetail(first);
    await askDetail(second);
    const { spec } = thermostat({ node: 'other' });
    await cloud.api.patch(devices, NAME, { type: 'merge', body: { spec } });
    const membership = (edge: FakeEdge, part: 'added_devices' | 'removed_devices'): Promise<BeehiveMessage> =>
      edge.frame(`${part} of a node`, ({ route, content }) => {
        const list: DeviceEntry[] | null = route.resource === 'membership' ? (content as MembershipUpdate)[part] : null;
        return list?.[0]?.id === 'thermo';
      });
    await membership(first, 'removed_devices');
    await membership(second, 'added_devices');
    await cloud.api.delete(devices, NAME);
    await membership(second, 'removed_devices');
  });
});

test('a node speaks for its own devices only', async () => {
  await withCloud(async (cloud) => {
    await createThermostat(cloud);
    const stranger = await cloud.edge('stranger');
    const answer = await stranger.ask(report({ setpoint: '99' }, 1));
    assert.is(answer.route.operation, 'error');
    assert.is(answer.content, 'device thermo is not bound to node stranger');
    const forged = await stranger.ask({
      source: 'edged',
      group: 'meta',
      operation: 'insert',
      resource: 'default/nodestatus/pi',
      content: { metadata: { name: 'pi' } },
    });
    assert.is(forged.content, 'node stranger may not speak for default/nodestatus/pi');
    assert.is(await reportedOf(cloud, 'setpoint'), undefined);
    assert.equal((await cloud.api.list(nodes)).items, []);
  });
});

test('a node registers, is Ready, and devices say what is missing until it is there', async () => {
  await withCloud(async (cloud) => {
    await createThermostat(cloud);
    const condition = async (type: string): Promise<string | undefined> => {
      const found = (await statusOf(cloud)).conditions?.find((entry) => entry.type === type);
      return found === undefined ? undefined : `${found.status} ${found.reason}`;
    };
    await until(async () => (await condition('NodeUnknown')) === 'True NodeNotFound', { what: 'the condition that the node is missing' });
    const edge = await cloud.edge('pi');
    const nodestatus = { source: 'edged', group: 'meta', resource: 'default/nodestatus/pi' };
    const answer = await edge.ask({
      ...nodestatus,
      operation: 'insert',
      content: { metadata: { name: 'pi', labels: { 'node-role.kubernetes.io/edge': '' } }, status: {} },
    });
    assert.equal([answer.route.resource, answer.content], ['default/node/pi', 'OK']);
    await edge.ask({ ...nodestatus, operation: 'update', content: { Status: { nodeInfo: { kubeletVersion: 'v1.2.3' } } } });
    const node = (await cloud.api.get(nodes, { name: 'pi' })).status as {
      nodeInfo: { kubeletVersion: string };
      conditions: { status: string }[];
    };
    assert.is(node.nodeInfo.kubeletVersion, 'v1.2.3');
    assert.is(node.conditions[0]?.status, 'True');
    edge.send({
      source: 'twin',
      group: 'resource',
      operation: 'update',
      resource: 'device/thermo/state/update',
      content: JSON.stringify({ device: { name: 'thermo', state: 'online' } }),
    });
    await until(async () => (await condition('Ready')) === 'True DeviceOnline', { what: 'the device to be Ready' });
    assert.is(await condition('NodeUnknown'), undefined);
  });
});

test('of two devices of one name on one node the second gets a condition, and the name when the first is gone', async () => {
  await withCloud(async (cloud) => {
    await createThermostat(cloud);
    await cloud.api.create(
      { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false },
      { metadata: { name: 'hall' } },
    );
    // Times have whole seconds: the younger one must be younger by one.
    const first = await cloud.api.get(devices, NAME);
    await until(() => Date.now() >= Date.parse(first.metadata.creationTimestamp ?? '') + 1000, { what: 'the next second' });
    await cloud.api.create(devices, bare(thermostat({ namespace: 'hall', desired: '5' })));
    const hall = { namespace: 'hall', name: 'thermo' };
    const conflict = async (): Promise<string | undefined> =>
      (await statusOf(cloud, hall)).conditions?.find(({ type }) => type === 'NameConflict')?.message;
    await until(conflict, { what: 'the conflict' });
    assert.is(await conflict(), 'metadata.name: default/thermo is older and has the name thermo on node pi: rename one');
    const edge = await cloud.edge('pi');
    const [device] = (await askDetail(edge, { cluster_uid: '', known: {} })).devices;
    assert.is(device?.hivelet?.namespace, 'default');
    await cloud.api.delete(devices, NAME);
    const next = await edge.frame('the other device', ({ route, content }) => {
      return route.resource === 'membership' && (content as MembershipUpdate).added_devices?.[0]?.hivelet?.namespace === 'hall';
    });
    assert.is((next.content as MembershipUpdate).added_devices?.[0]?.twin?.setpoint?.expected?.value, '5');
    await until(async () => (await conflict()) === undefined, { what: 'the end of the conflict' });
  });
});

test('after a restart of the cloud an edge gets only what changed meanwhile', async () => {
  let dataDir = '';
  let known: Record<string, string> = {};
  let cluster = '';
  await withCloud(async (cloud) => {
    dataDir = cloud.dataDir;
    await createThermostat(cloud);
    await cloud.api.create(devices, bare(thermostat({ name: 'second' })));
    const { devices: list, hivelet } = await askDetail(await cloud.edge('pi'), { cluster_uid: '', known: {} });
    known = Object.fromEntries(list.map((entry) => [entry.hivelet!.uid, entry.hivelet!.hash]));
    cluster = hivelet!.cluster_uid;
  });
  await withCloud(
    async (cloud) => {
      await setDesired(cloud, '30');
      const edge = await cloud.edge('pi');
      await until(async () => (await statusOf(cloud)).twins?.[0]?.desired?.value === '30', { what: 'the patch' });
      const detail = await askDetail(edge, { cluster_uid: cluster, known });
      const changed = detail.devices.map(({ id, twin }) => [id, twin?.setpoint?.expected?.value]);
      const later = edge.frames.filter(({ route }) => route.resource === 'device/thermo/twin/cloud_updated');
      assert.equal(later.length === 0 ? changed : [['thermo', '30']], [['thermo', '30']]);
      assert.ok(detail.hivelet?.unchanged.includes('second'));
      assert.equal(detail.hivelet?.removed, []);
    },
    { dataDir },
  );
});

test('a KubeEdge edge gets the exact forms, and nothing twice', async () => {
  await withCloud(async (cloud) => {
    const object = await createThermostat(cloud);
    const edge = await cloud.edge('pi', { peer: 'kubeedge' });
    const [device] = (await askDetail(edge)).devices;
    const version = Number(object.metadata.resourceVersion);
    assert.ok((device?.twin?.setpoint?.expected_version?.cloud ?? 0) >= version);
    assert.is(device?.hivelet, undefined);
    await setDesired(cloud, '30');
    const update = await edge.frame('the new desired value', ({ route }) => route.resource === 'device/thermo/twin/cloud_updated');
    assert.equal([update.route.source, update.route.group, update.header.parent_msg_id], ['devicecontroller', 'twin', undefined]);
    assert.equal(Object.keys((update.content as TwinMessage).twin), ['setpoint']);
    const answer = await edge.ask(report({ setpoint: '30' }, 1));
    assert.equal(
      [answer.route, answer.content],
      [{ source: 'devicecontroller', group: 'twin', operation: 'response', resource: 'twin' }, 'OK'],
    );
    const status = await edge.ask({
      source: 'edged',
      group: 'meta',
      operation: 'insert',
      resource: 'default/nodestatus/pi',
      content: { kind: 'Node', metadata: { name: 'pi' }, status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    });
    assert.equal([status.route.source, status.route.resource, status.content], ['edgecontroller', 'default/node/pi', 'OK']);
    assert.is(edge.frames.filter(({ route }) => route.resource.includes('cloud_updated')).length, 1);
  });
});

test.run();
