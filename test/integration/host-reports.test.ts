/** Proves how reports of our own mapper host are kept: told at once, written together, answered after the commit, never with a used version. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import Database from 'better-sqlite3';
import { systemClock } from '#beehive/clock.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { ask, startTestEdge, watchMqtt } from '#test/support/edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const samples = join(import.meta.dirname, '../../device-models/samples');

function withThermostat(port: number): string {
  const dataDir = tempDir();
  const folder = join(dataDir, 'edge/devices.d');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'thermostat.yaml'),
    readFileSync(join(samples, 'modbus-thermostat.yaml'), 'utf8').replace('1502', String(port)),
  );
  cpSync(join(samples, 'modbus-thermostat-model.yaml'), join(folder, 'model.yaml'));
  return dataDir;
}

function stored(dataDir: string): { actual: string; actual_version: string } | undefined {
  const database = new Database(join(dataDir, 'edge/edgecore.db'), { readonly: true });
  try {
    const sql = `SELECT actual, actual_version FROM device_twin WHERE deviceid = 'thermostat' AND name = 'setpoint'`;
    return database.prepare<[], { actual: string; actual_version: string }>(sql).get();
  } finally {
    database.close();
  }
}

test('a report of the mapper host is documented at once, and on disk with its answer at a stop', async () => {
  const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20, temperature: 20 });
  const dataDir = withThermostat(thermostat.port);
  const { edge, port } = await startTestEdge({ dataDir });
  const mqtt = await watchMqtt(port, ['$hw/events/device/thermostat/#']);
  thermostat.turn(21);
  await mqtt.message('the document', ({ topic, payload }) => topic.endsWith('/document') && /"setpoint".*"value":"21"/.test(payload));
  assert.is(mqtt.seen.filter(({ topic }) => topic.endsWith('/twin/update/result')).length, 0, 'not answered before it is on disk');
  const first = await until(
    () => mqtt.seen.find(({ topic, payload }) => topic.endsWith('/twin/update/result') && /"setpoint".*"value":"21"/.test(payload)),
    {
      what: 'the answer with the next round of writing',
      deadlineMs: 20_000,
    },
  );
  assert.match(first.payload, /"setpoint":\{"actual":\{"value":"21"/);
  await edge.stop();
  await mqtt.close();
  await thermostat.close();
  const row = stored(dataDir);
  assert.is(row?.actual, '21');
});

test('after an unclean end the versions go on above all that may have been told', async () => {
  const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20, temperature: 20 });
  const dataDir = withThermostat(thermostat.port);
  const first = await startTestEdge({ dataDir });
  const watcher = await watchMqtt(first.port, ['$hw/events/device/thermostat/#']);
  await until(async () => JSON.stringify(await ask(watcher, '$hw/events/device/thermostat/twin/get', {})).includes('"value":"20"'), {
    what: 'the first report',
  });
  // The power goes: what lies on the disk now is all that the next run finds.
  const crashed = tempDir();
  cpSync(join(dataDir, 'edge'), join(crashed, 'edge'), { recursive: true, filter: (source) => !source.endsWith('.sock') });
  await watcher.close();
  await first.edge.stop();
  thermostat.turn(21);
  const second = await startTestEdge({ dataDir: crashed });
  const mqtt = await watchMqtt(second.port, ['$hw/events/device/thermostat/#']);
  // The first report may have come before the watcher.
  const twin = async (): Promise<string> => JSON.stringify(await ask(mqtt, '$hw/events/device/thermostat/twin/get', {}));
  await until(async () => (await twin()).includes('"setpoint":{"actual":{"value":"21"'), { what: 'the report after the crash' });
  await second.edge.stop();
  await mqtt.close();
  await thermostat.close();
  assert.is(stored(crashed)?.actual, '21');
  assert.is(stored(crashed)?.actual_version, `{"cloud":0,"edge":${String(2 ** 32 + 1)}}`);
});

test.run();
