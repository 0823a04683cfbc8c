/** Proves that a board without a cloud serves the devices whose YAML lies in its data directory. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { ask, startTestEdge, watchMqtt } from '#test/support/edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';

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

test.run();
