/** Proves that a board without a cloud serves the devices whose YAML lies in its data directory. */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { LogLine } from '#beehive/log.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { ask, startTestEdge, watchMqtt, type MqttWatcher } from '#test/support/edge.ts';
import { entry } from '#test/support/hivelet-hub.ts';
import { closeAll, startLinkedEdge } from '#test/support/linked-edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

const samples = join(import.meta.dirname, '../../device-models/samples');

test('a thermostat from devices.d is read, written over MQTT, and a broken file beside it costs nothing', async () => {
  const dataDir = tempDir();
  const folder = join(dataDir, 'edge/devices.d');
  mkdirSync(folder, { recursive: true });
  const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20 });
  const device = readFileSync(join(samples, 'modbus-thermostat.yaml'), 'utf8').replace('1502', String(thermostat.port));
  writeFileSync(join(folder, 'thermostat.yaml'), device);
  copyFileSync(join(samples, 'modbus-thermostat-model.yaml'), join(folder, 'model.yaml'));
  writeFileSync(join(folder, 'broken.yaml'), 'kind: Device\n  metadata: [');
  const { edge, port, log } = await startTestEdge({ dataDir });
  const mqtt = await watchMqtt(port, ['$hw/events/device/#']);
  try {
    assert.is(log.find(({ event }) => event === 'device.file.unreadable')?.fields['file'], join(folder, 'broken.yaml'));
    await mqtt.message(
      'the first report',
      ({ topic, payload }) => topic.endsWith('/twin/update') && payload.includes('"setpoint":{"actual":{"value":"20"'),
    );
    await ask(mqtt, '$hw/events/device/thermostat/twin/update', { twin: { setpoint: { expected: { value: '22.5' } } } });
    const report = await mqtt.message(
      'the document of the read-back',
      ({ topic, payload }) =>
        topic.endsWith('/twin/update/document') && /"current":\{"expected":\{"value":"22.5".*"actual":\{"value":"22.5"/.test(payload),
    );
    assert.is(report.topic, '$hw/events/device/thermostat/twin/update/document');
    assert.is(thermostat.state().setpoint, 22.5);
  } finally {
    await mqtt.close();
    await edge.stop();
    await thermostat.close();
  }
});

/** A board whose `devices.d` the test writes; each `run` is one life of the edge. */
function board(): { write(name: string, text: string | undefined): void; run<T>(use: (life: Life) => Promise<T>): Promise<T> } {
  const dataDir = tempDir();
  const folder = join(dataDir, 'edge/devices.d');
  mkdirSync(folder, { recursive: true });
  return {
    write: (name, text) => (text === undefined ? rmSync(join(folder, name)) : writeFileSync(join(folder, name), text)),
    run: async (use) => {
      const { edge, port, log } = await startTestEdge({ dataDir });
      const mqtt = await watchMqtt(port, ['$hw/events/#']);
      const twins = async (id: string): Promise<Twins> => (await ask(mqtt, `$hw/events/device/${id}/twin/get`, {}))['twin'] as Twins;
      try {
        return await use({
          mqtt,
          log,
          wants: async (id) =>
            Object.fromEntries(Object.entries((await twins(id)) ?? {}).map(([name, { expected }]) => [name, expected?.value])),
          set: (id, value) => ask(mqtt, `$hw/events/device/${id}/twin/update`, { twin: { level: { expected: { value } } } }),
        });
      } finally {
        await mqtt.close();
        await edge.stop();
      }
    },
  };
}

type Twins = Record<string, { expected?: { value: string } }> | undefined;

interface Life {
  mqtt: MqttWatcher;
  log: LogLine[];
  /** Property to expected value; empty for a device that is not there. */
  wants(id: string): Promise<Record<string, string | undefined>>;
  set(id: string, value: string): Promise<unknown>;
}

const model = (properties: readonly string[]): string =>
  [
    'apiVersion: devices.kubeedge.io/v1alpha2',
    'kind: DeviceModel',
    'metadata: { name: tank }',
    'spec:',
    '  properties:',
    ...properties.map((name) => `    - { name: ${name}, type: { int: { accessMode: ReadWrite, maximum: 100 } } }`),
    '',
  ].join('\n');

const tank = (id: string, desired: Record<string, string>): string =>
  [
    'apiVersion: devices.kubeedge.io/v1alpha2',
    'kind: Device',
    `metadata: { name: ${id} }`,
    'spec: { deviceModelRef: { name: tank } }',
    'status:',
    '  twins:',
    ...Object.entries(desired).map(([name, value]) => `    - { propertyName: ${name}, desired: { value: "${value}" } }`),
    '',
  ].join('\n');

test('a desired value in a file is written to the device, before anybody says anything', async () => {
  const here = board();
  const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20 });
  const device = readFileSync(join(samples, 'modbus-thermostat.yaml'), 'utf8').replace('1502', String(thermostat.port));
  here.write('thermostat.yaml', `${device}status:\n  twins:\n    - { propertyName: setpoint, desired: { value: "23.5" } }\n`);
  here.write('model.yaml', readFileSync(join(samples, 'modbus-thermostat-model.yaml'), 'utf8'));
  try {
    await here.run(() => until(() => thermostat.state().setpoint === 23.5, { what: 'the write' }));
  } finally {
    await thermostat.close();
  }
});

test('the text of a file counts as that of a cloud: a changed one wins, the same one leaves what was set here alone, none withdraws', async () => {
  const here = board();
  here.write('model.yaml', model(['level', 'limit']));
  here.write('tank.yaml', tank('tank', { level: '40', limit: '90' }));
  await here.run(async ({ wants, set }) => {
    assert.equal(await wants('tank'), { level: '40', limit: '90' });
    await set('tank', '55');
  });
  await here.run(async ({ wants }) => assert.equal(await wants('tank'), { level: '55', limit: '90' }, 'an override outlives a restart'));
  here.write('tank.yaml', tank('tank', { level: '41' }));
  await here.run(async ({ wants }) => assert.equal(await wants('tank'), { level: '41', limit: undefined }));
});

test('a value that does not fit is told by file and field and is not set', async () => {
  const here = board();
  here.write('model.yaml', model(['level']));
  here.write('tank.yaml', tank('tank', { level: 'much' }));
  await here.run(async ({ wants, set, log }) => {
    assert.equal(await wants('tank'), {});
    const [told, ...others] = log.filter(({ event }) => event === 'device.file.problem').map(({ fields }) => fields);
    assert.is(others.length, 0, 'that it names no node is no fault here');
    assert.match(String(told?.['file']), /devices\.d\/tank\.yaml$/);
    assert.is(told?.['path'], 'status.twins[0].desired.value');
    await set('tank', '5');
    assert.equal(await wants('tank'), { level: '5' });
  });
});

test('what is no longer in the files goes: a property, a device; but nothing while a file cannot be read', async () => {
  const here = board();
  here.write('model.yaml', model(['level', 'limit']));
  here.write('a.yaml', tank('a', { level: '1', limit: '2' }));
  here.write('b.yaml', tank('b', { level: '3' }));
  await here.run(({ wants }) => wants('b'));
  here.write('model.yaml', model(['level']));
  here.write('a.yaml', tank('a', { level: '1' }));
  here.write('b.yaml', 'kind: Device\n  metadata: [');
  await here.run(async ({ wants }) => {
    assert.equal([await wants('a'), await wants('b')], [{ level: '1' }, { level: '3', limit: undefined }]);
  });
  here.write('b.yaml', undefined);
  await here.run(async ({ mqtt, log }) => {
    const answer = await ask(mqtt, '$hw/events/device/b/twin/get', {});
    assert.is(answer['code'], 404);
    assert.is(log.find(({ event }) => event === 'device.file.gone')?.fields['device'], 'b');
  });
});

test('of two files with a Device of one name the first counts, and the second is told', async () => {
  const here = board();
  here.write('model.yaml', model(['level']));
  here.write('a.yaml', tank('tank', { level: '1' }));
  here.write('b.yaml', tank('tank', { level: '2' }));
  await here.run(async ({ wants, log }) => {
    assert.equal(await wants('tank'), { level: '1' });
    assert.match(String(log.find(({ fields }) => fields['path'] === 'metadata.name')?.fields['file']), /b\.yaml$/);
  });
});

test('a Device that the cloud has is not taken from a file', async () => {
  const { hub, stop, dataDir } = await startLinkedEdge([entry('tank', { level: '70' })]);
  await stop();
  const folder = join(dataDir, 'edge/devices.d');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'all.yaml'), `${model(['level'])}---\n${tank('tank', { level: '1' })}`);
  const again = await startLinkedEdge(() => ({ hivelet: { cluster_uid: 'cluster-1', unchanged: ['tank'], removed: [] } }), {
    hub,
    dataDir,
  });
  assert.equal((await again.twins('tank'))['level']?.expected?.value, '70');
  assert.is(again.edge.log.find(({ event }) => event === 'device.file.ignored')?.fields['device'], 'tank');
});

test.run();
