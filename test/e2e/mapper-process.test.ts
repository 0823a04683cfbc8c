// timeout: 180s
/** Proves on the shipped programs that a mapper in a process of its own dies alone, comes back, and does not outlive its edge; as a child and as a service. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import type { PluginStatus } from '#mappers/mappers.ts';
import { startThermostat, type Thermostat } from '#mappers/modbus/simulate.ts';
import { watchMqtt, type MqttWatcher } from '#test/support/edge.ts';
import { freePort } from '#test/support/ports.ts';
import { runProcess, spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const samples = join(import.meta.dirname, '../../device-models/samples');

interface Site {
  dataDir: string;
  runDir: string;
  edge: TestProcess;
  mqtt: MqttWatcher;
  thermostat: Thermostat;
}

const test = suite<Site>('a mapper in a process of its own');

test.after.each(async ({ mqtt, edge, thermostat }) => {
  await mqtt.close();
  await edge.stop();
  await thermostat.close();
});

async function start(site: Site, placement: string): Promise<void> {
  const dataDir = tempDir();
  const runDir = join(dataDir, 'run');
  const devices = join(dataDir, 'edge/devices.d');
  mkdirSync(devices, { recursive: true });
  const thermostat = await startThermostat({ clock: systemClock });
  for (const file of ['modbus-thermostat-model.yaml', 'modbus-thermostat.yaml']) {
    const yaml = readFileSync(join(samples, file), 'utf8');
    writeFileSync(join(devices, file), yaml.replace(/port: \d+/, `port: ${String(thermostat.port)}`));
  }
  const port = await freePort();
  const sets = [
    `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${String(port)}`,
    'modules.edgeHub.enable=false',
    `modules.mapperHost.placement.modbus=${placement}`,
  ];
  const edge = spawnProcess({
    command: launcher,
    args: ['edge', '--data-dir', dataDir, ...sets.flatMap((set) => ['--set', set])],
    env: { RUNTIME_DIRECTORY: runDir },
  });
  await edge.line(/edgecore\.ready/);
  const mqtt = await watchMqtt(port, ['$hw/events/device/thermostat/state/update/result', '$hw/events/device/thermostat/state/get/result']);
  Object.assign(site, { dataDir, runDir, edge, mqtt, thermostat });
}

async function mapperStatus({ dataDir }: Site): Promise<PluginStatus> {
  const body = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath: join(dataDir, 'edge/control.sock'), path: '/mappers', agent: false }, (response) => {
      text(response).then(resolve, reject);
    });
    asked.on('error', reject).end();
  });
  const { plugins } = JSON.parse(body) as { plugins: PluginStatus[] };
  return plugins.find(({ name }) => name === 'modbus')!;
}

/** The next message that tells this state, from `from` on; gives the text of it. */
async function state({ mqtt }: Site, word: string, from = 0): Promise<string> {
  const { payload } = await mqtt.message(`the state ${word}`, ({ payload }) => payload.includes(`"${word}"`), from);
  return payload;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('as a child it is started again after kill -9, and its device is unhealthy meanwhile', async (site) => {
  await start(site, 'child');
  await state(site, 'online');
  const before = await mapperStatus(site);
  assert.equal([before.placement, before.state, before.loaded, before.devices, before.restarts], ['child', 'running', true, 1, 0]);
  const from = site.mqtt.seen.length;
  process.kill(before.pid ?? 0, 'SIGKILL');
  assert.match(await state(site, 'unhealthy', from), /the process of the mapper modbus ended \(SIGKILL\) and is started again/);
  await state(site, 'online', from);
  const after = await mapperStatus(site);
  assert.is(after.restarts, 1);
  assert.is.not(after.pid, before.pid);
  await site.edge.stop();
  assert.not(isAlive(after.pid ?? 0));
});

test('as a child it ends with its edge, also where that is killed', async (site) => {
  await start(site, 'child');
  await state(site, 'online');
  const { pid = 0 } = await mapperStatus(site);
  site.edge.signal('SIGKILL');
  await until(() => !isAlive(pid), { what: 'the end of the mapper process' });
});

test('as a service it is asked for by a file, comes to a socket, and may come again', async (site) => {
  await start(site, 'service');
  const socket = join(site.runDir, 'mapper-modbus.sock');
  const wanted = join(site.runDir, 'mapper-modbus.wanted');
  await until(() => existsSync(wanted), { what: 'the file that systemd watches' });
  assert.is(statSync(socket).mode & 0o777, 0o660);
  assert.is(statSync(site.runDir).mode & 0o077, 0);
  const service = { command: launcher, args: ['mapper', 'modbus', '--socket', socket], env: { SOME_SECRET: 'x' } };
  const first = spawnProcess(service);
  await state(site, 'online');
  assert.equal([(await mapperStatus(site)).state, (await mapperStatus(site)).pid], ['running', first.pid]);
  const other = await runProcess(service);
  assert.is(other.code, 1);
  assert.match(other.stderr, /^mapper: edgecore closed the stream before it said anything/m);
  const from = site.mqtt.seen.length;
  first.signal('SIGKILL');
  assert.match(await state(site, 'unhealthy', from), /`journalctl -u hivelet-mapper@modbus` tells why/);
  const second = spawnProcess(service);
  await state(site, 'online', from);
  await site.edge.stop();
  assert.is((await second.exited).code, 0);
  assert.not(existsSync(wanted));
  assert.not(existsSync(socket));
});

test('what cannot start says why', async (site) => {
  await start(site, 'inside');
  const run = (...args: string[]) => runProcess({ command: launcher, args: ['mapper', ...args] });
  assert.match((await run('--help')).stdout, /^hivelet mapper: .*\n\nUsage: hivelet mapper NAME --socket PATH/);
  const alone = await run('modbus');
  assert.equal(
    [alone.code, alone.stderr.trim()],
    [2, 'mapper: --socket is missing: without one only edgecore can start it (see hivelet mapper --help)'],
  );
  const nobody = await run('modbus', '--socket', join(site.runDir, 'none.sock'));
  assert.is(nobody.code, 1);
  assert.match(nobody.stderr, /^mapper: edgecore is not at .*none\.sock \(connect ENOENT .*\): does it run, with this placement\?/);
});

test.run();
