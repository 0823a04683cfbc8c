// timeout: 240s
/** Proves the hard reconnect: everything changed everywhere while the cloud was away and the board booted in 1970. */
import { renameSync } from 'node:fs';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '#beehive/clock.ts';
import { deviceModels, devices, type KubeObject } from '#cloud/store/kube-api.ts';
import type { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { THERMOSTAT, startThermostat } from '#mappers/modbus/simulate.ts';
import { ask, watchMqtt } from '#test/support/edge.ts';
import { havePeer, needing, peerPath } from '#test/support/peers.ts';
import { createSite } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

interface TwinStatus {
  propertyName: string;
  desired?: { value: string };
  reported?: { value: string };
}

interface DeviceStatus {
  state?: string;
  twins?: TwinStatus[];
  conditions?: { type: string; status: string; message?: string }[];
}

const samples = join(import.meta.dirname, '../../device-models/samples');
const name = { namespace: 'default', name: 'thermostat' };

function sample(port: number): KubeObject[] {
  const text = ['modbus-thermostat-model.yaml', 'modbus-thermostat.yaml']
    .map((file) => readFileSync(join(samples, file), 'utf8'))
    .join('\n---\n');
  return parseAllDocuments(text.replaceAll('demo-board', 'edge-1').replaceAll('1502', String(port))).map(
    (document) => document.toJS() as KubeObject,
  );
}

/** A device of a mapper that is not ours: nobody but the test reports for it. */
const lamp: KubeObject[] = [
  {
    apiVersion: 'devices.kubeedge.io/v1alpha2',
    kind: 'DeviceModel',
    metadata: { name: 'lamp-model', namespace: 'default' },
    spec: {
      properties: [
        { name: 'mode', type: { string: { accessMode: 'ReadWrite' } } },
        { name: 'power', type: { int: { accessMode: 'ReadOnly' } } },
      ],
    },
  },
  {
    apiVersion: 'devices.kubeedge.io/v1alpha2',
    kind: 'Device',
    metadata: { name: 'lamp', namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'lamp-model' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: ['edge-1'] }] }] },
    },
    status: { twins: [{ propertyName: 'mode', desired: { value: 'auto', metadata: { type: 'string' } } }] },
  },
];

async function statusOf(kube: KubeClient, device: string): Promise<DeviceStatus> {
  return (await kube.get(devices, { namespace: 'default', name: device }))['status'] ?? {};
}

function twinOf(status: DeviceStatus, property: string): TwinStatus | undefined {
  return status.twins?.find((twin) => twin.propertyName === property);
}

async function setDesired(kube: KubeClient, property: string, value: string): Promise<void> {
  const status = await statusOf(kube, 'thermostat');
  const index = (status.twins ?? []).findIndex((twin) => twin.propertyName === property);
  const path = `/status/twins/${String(index)}`;
  await kube.patch(devices, name, {
    type: 'json',
    operations: [
      { op: 'test', path: `${path}/propertyName`, value: property },
      { op: 'add', path: `${path}/desired`, value: { value } },
    ],
  });
}

const faketime = havePeer('faketime') ? peerPath('faketime') : '';

needing(test, 'faketime')(
  'after a board in 1970 and a cloud that was away, reported is equal everywhere and desired is equal or an override',
  async () => {
    const site = await createSite(tempDir());
    const writes: number[] = [];
    const thermostat = await startThermostat({
      clock: systemClock,
      noise: 0,
      setpoint: 20,
      temperature: 20,
      onWrite: ({ address, values }) => {
        if (address === THERMOSTAT.setpoint) writes.push(values[0] ?? NaN);
      },
    });
    let cloud = await site.cloud();
    await cloud.stop();
    // From here on the API is a process of its own, as in the field; cloudcore finds it.
    const api = await site.api();
    cloud = await site.cloud();
    let edge = await site.edge();
    const kube = site.kube();
    try {
      for (const object of [...sample(thermostat.port), ...lamp])
        await kube.create(object.kind === 'Device' ? devices : deviceModels, object);
      await until(async () => twinOf(await statusOf(kube, 'thermostat'), 'setpoint')?.reported?.value === '20', {
        what: 'the first report in the API',
        deadlineMs: 20_000,
      });
      let mqtt = await watchMqtt(site.ports.mqtt, ['$hw/events/#']);
      await until(async () => JSON.stringify(await ask(mqtt, '$hw/events/device/lamp/twin/get', {})).includes('"auto"'), {
        what: 'the lamp at the edge',
      });

      await cloud.stop();
      await setDesired(kube, 'setpoint', '25');
      thermostat.turn(17);
      await ask(mqtt, '$hw/events/device/lamp/twin/update', { twin: { mode: { expected: { value: 'party' } } } });
      await ask(mqtt, '$hw/events/device/lamp/twin/update', {
        twin: { power: { actual: { value: '42' } }, mode: { actual: { value: 'party' } } },
      });
      await until(
        async () => JSON.stringify(await ask(mqtt, '$hw/events/device/thermostat/twin/get', {})).includes('"actual":{"value":"17"'),
        {
          what: 'the knob at the edge',
          deadlineMs: 20_000,
        },
      );
      await mqtt.close();
      await edge.stop();
      edge = await site.edge({ wrapper: [faketime, '-f', '@1970-01-01 00:05:00'] });
      mqtt = await watchMqtt(site.ports.mqtt, ['$hw/events/#']);
      assert.equal(writes, [], 'a value that was changed at the device is not undone');

      cloud = await site.cloud();
      const converged = async (): Promise<boolean> => {
        const [thermo, bulb] = [await statusOf(kube, 'thermostat'), await statusOf(kube, 'lamp')];
        const override = bulb.conditions?.find(({ type }) => type === 'LocalOverride');
        return (
          twinOf(thermo, 'setpoint')?.reported?.value === '25' &&
          twinOf(bulb, 'mode')?.reported?.value === 'party' &&
          twinOf(bulb, 'power')?.reported?.value === '42' &&
          override?.status === 'True'
        );
      };
      await until(converged, { what: 'everything equal within 5 s of cloudcore being ready', deadlineMs: 5000, everyMs: 50 });
      assert.is(thermostat.state().setpoint, 25);
      assert.is(twinOf(await statusOf(kube, 'lamp'), 'mode')?.desired?.value, 'auto', 'cloudcore never writes desired');
      const overrideText = (await statusOf(kube, 'lamp')).conditions?.find(({ type }) => type === 'LocalOverride')?.message ?? '';
      assert.match(overrideText, /party/);

      // Nothing flaps: the one desired value was written once, and the settled documents stay.
      const from = mqtt.seen.length;
      await until(() => mqtt.seen.slice(from).filter(({ topic }) => topic === '$hw/events/device/thermostat/twin/update').length >= 6, {
        what: 'six further cycles',
        deadlineMs: 60_000,
      }).catch(() => undefined);
      assert.equal(writes, [250]);
      const documents = mqtt.seen
        .slice(from)
        .filter(({ topic, payload }) => topic.endsWith('/twin/update/document') && /"setpoint"|"mode"/.test(payload));
      assert.equal(documents, []);

      // The API's database is replaced by an empty one.
      await cloud.stop();
      await api.stop();
      renameSync(join(site.dataDir, 'cloud'), join(site.dataDir, 'cloud-before'));
      kube.close();
      cloud = await site.cloud();
      await cloud.line(/node\.(connected|snapshot)/, { deadlineMs: 40_000 });
      await cloud.line(/node\.snapshot/);
      const lampTwin = JSON.stringify(await ask(mqtt, '$hw/events/device/lamp/twin/get', {}));
      assert.match(lampTwin, /"power":\{"actual":\{"value":"42"/);
      assert.match(lampTwin, /"mode":\{"expected":\{"value":"party".*"actual":\{"value":"party"/);
      assert.match(
        JSON.stringify(await ask(mqtt, '$hw/events/device/thermostat/twin/get', {})),
        /"setpoint":\{"expected":\{"value":"25".*"actual":\{"value":"25"/,
      );
      await mqtt.close();
    } finally {
      await edge.stop();
      await cloud.stop();
      api.kill();
      await thermostat.close();
    }
  },
);

test.run();
