// timeout: 180s
/** Proves the tools for people with the real programs: simulate, discover, validate, kubectl apply, read, mappers. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess, spawnProcess, type Finished, type TestProcess } from '#test/support/processes.ts';
import { createKubectl } from '#test/support/kubectl.ts';
import { needing } from '#test/support/peers.ts';
import { createSite, launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const samples = path.join(import.meta.dirname, '../../device-models/samples');
const thermostat = ['modbus-thermostat.yaml', 'modbus-thermostat-model.yaml'].map((name) => path.join(samples, name));
const kubectlTest = needing(test, 'kubectl');
const running: TestProcess[] = [];

const hivelet = (...args: string[]): Promise<Finished> => runProcess({ command: launcher, args });

/** A simulator that is ready, and what it says of itself. `input`: what is typed to it. */
async function simulate(args: readonly string[], input?: string): Promise<{ process: TestProcess; facts: Record<string, unknown> }> {
  const process = spawnProcess({ command: launcher, args: ['simulate', ...args], ...(input === undefined ? {} : { input }) });
  running.push(process);
  return { process, facts: JSON.parse(await process.line('simulator.ready')) as Record<string, unknown> };
}

const playThermostat = (input?: string): ReturnType<typeof simulate> =>
  simulate(['modbus', '--port', '0', ...thermostat.flatMap((file) => ['--model', file])], input);

/** The sample device at the port of a simulator. */
async function deviceAt(port: unknown): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  const file = path.join(tempDir(), 'thermostat.yaml');
  writeFileSync(file, (await readFile(thermostat[0] ?? '', 'utf8')).replace('port: 1502', `port: ${String(port)}`));
  return file;
}

test.after.each(async () => {
  for (const process of running.splice(0)) await process.stop();
});

test('read shows value, bytes and time of each point, as a table and as JSON', async () => {
  const { facts } = await playThermostat();
  const files = [await deviceAt(facts['port']), thermostat[1] ?? ''];
  const table = await hivelet('read', ...files);
  assert.is(table.code, 0, table.stderr);
  const [head = '', ...rows] = table.stdout.trimEnd().split('\n');
  assert.match(head, /^DEVICE +PROPERTY +VALUE +RAW +TIME +ERROR$/);
  assert.match(rows[0] ?? '', /^thermostat +setpoint +20 degree Celsius +00 c8 +\d+\.\d ms$/);
  assert.equal(
    rows.map((row) => row.split(/ +/)[1]),
    ['setpoint', 'temperature', 'heating'],
  );
  const json = await hivelet('read', '-o', 'json', '--property', 'heating', ...files);
  const [line] = JSON.parse(json.stdout) as Record<string, unknown>[];
  assert.equal([line?.['device'], line?.['property'], line?.['raw'], typeof line?.['ms']], ['thermostat', 'heating', '00', 'number']);
});

test('a point that is refused is an error of its own and exit code 1; a silent device fails in all of them', async () => {
  const { facts, process } = await playThermostat('refuse setpoint\nset temperature 21.5\nno such word\n');
  await process.line('simulator.not-understood');
  const files = [await deviceAt(facts['port']), thermostat[1] ?? ''];
  const { code, stdout } = await hivelet('read', ...files);
  assert.is(code, 1);
  assert.match(stdout, /^thermostat +setpoint +- +- +\d+\.\d ms +ILLEGAL DATA ADDRESS$/m);
  assert.match(stdout, /^thermostat +temperature +21\.5 degree Celsius /m);
  await process.stop();
  const gone = await hivelet('read', ...files);
  assert.is(gone.code, 1);
  assert.is(gone.stdout.match(/ECONNREFUSED/g)?.length, 3);
});

test('wrong usage of any of them is one sentence and exit code 2', async () => {
  for (const [args, sentence] of [
    [['read'], 'an argument is missing: name the files with the Devices to read'],
    [['read', '-o', 'xml', ...thermostat], '-o xml: write json, or leave it out for a table'],
    [['discover', 'modbos'], 'nothing of the kind modbos can be discovered; did you mean modbus?'],
    [['discover', 'bus'], 'nothing of the kind bus can be discovered: write one of modbus, opcua, ble, bluetooth, iio'],
    [['discover', 'iio', '--node', 'Hall_1'], '--node Hall_1 is no node name: use lower-case letters, digits, "-" and "."'],
    [['discover', 'iio', '-n', 'Hall'], '--namespace Hall is no name of a namespace: use lower-case letters, digits and "-"'],
    [['discover', 'modbus'], 'write either --host ADDRESS for Modbus TCP or --serial-port FILE for a serial line'],
    [['discover', 'iio', '--units', '3'], '--units is nothing that a look for IIO sensors knows: it has --root'],
    [
      ['simulate', 'modbus', '--model', path.join(samples, 'dht11.yaml'), '--model', path.join(samples, 'dht11-model.yaml')],
      'simulate modbus plays devices of modbus; the files have dht11 (iio)',
    ],
    [['mappers', 'x'], '"x" is one argument too many: `hivelet mappers` takes flags only'],
  ] as const) {
    const { code, stderr, stdout } = await hivelet(...args);
    assert.equal(
      [code, stdout, stderr.split('\n').find((line) => line.startsWith('hivelet '))],
      [2, '', `hivelet ${args[0]}: ${sentence}`],
    );
  }
});

test('what is not in the files is told with its name, before any device is asked', async () => {
  const [device = '', model = ''] = thermostat;
  const missing = 'its DeviceModel modbus-thermostat-model is in none of the files: name its file too';
  const read = await hivelet('read', '-o', 'json', device);
  assert.equal([read.code, JSON.parse(read.stdout), read.stderr], [1, [{ device: 'thermostat', error: missing }], '']);
  for (const [args, sentence] of [
    [['simulate', 'modbus', '--port', '0', '--model', device], `simulate: thermostat: ${missing}`],
    [['read', device, model, '--property', 'setpont'], 'read: no property setpont is in the files: did you mean setpoint?'],
    [['read', device, model, '--device', 'boiler'], 'read: no Device boiler is in the files: they have thermostat'],
    [['read', '/nowhere.yaml'], 'read: cannot read /nowhere.yaml: there is no such file (ENOENT)'],
  ] as const) {
    const { code, stdout, stderr } = await hivelet(...args);
    assert.equal([code, stdout, stderr], [1, '', `hivelet ${sentence}\n`]);
  }
});

test('a folder stands for the files in it, and Ctrl-C before the answer is exit code 130', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  try {
    const folder = path.dirname(await deviceAt((silent.address() as AddressInfo).port));
    copyFileSync(thermostat[1] ?? '', path.join(folder, 'model.yaml'));
    const asked = new Promise((resolve) => silent.once('connection', resolve));
    const read = spawnProcess({ command: launcher, args: ['read', folder] });
    running.push(read);
    await asked;
    read.signal('SIGINT');
    assert.equal(await read.exited, { code: 130, signal: null });
    assert.equal([read.stdout, read.stderr], ['', '']);
  } finally {
    silent.close();
  }
});

test('sensors of sysfs are played as their model says, found and read', async () => {
  const root = tempDir();
  const model = ['dht11.yaml', 'dht11-model.yaml'].flatMap((name) => ['--model', path.join(samples, name)]);
  await simulate(['dht11', '--root', root, ...model], 'set humidity 47\n');
  const sysfs = `modules.mapperHost.sysfsRoot=${root}`;
  const file = path.join(tempDir(), 'found.yaml');
  const read = await until(
    async () => {
      const { stdout } = await hivelet('discover', 'iio', '--set', sysfs, '--node', 'board');
      writeFileSync(file, stdout);
      const answer = await hivelet('read', file, '--set', sysfs);
      return answer.stdout.includes('47 percent') ? answer : undefined;
    },
    { what: 'the humidity that was set' },
  );
  assert.is(read.code, 0);
  assert.match(read.stdout, /^dht11-0 +temperature +\S+ degree Celsius /m);
});

test('Ctrl-C ends a scan at once, and what was found until then is printed', async () => {
  const { facts } = await playThermostat();
  const range = ['--units', '1-247', '--addresses', '0-2', '--timeout', '2000'];
  const scan = spawnProcess({
    command: launcher,
    args: ['discover', 'modbus', '--host', '127.0.0.1', '--port', String(facts['port']), ...range],
  });
  running.push(scan);
  await scan.line('propertyVisitors', { deadlineMs: 30_000 });
  scan.signal('SIGINT');
  assert.equal(await scan.exited, { code: 0, signal: null });
  assert.match(scan.stderr, /^1 device found until it was stopped$/m);
  assert.match(scan.stdout, /holding-0/);
});

kubectlTest('what discover prints is valid, is applied by kubectl, and is served; mappers shows by whom', async () => {
  const { facts } = await playThermostat();
  const where = ['--host', '127.0.0.1', '--port', String(facts['port']), '--units', '1-3', '--addresses', '0-9', '--rate', '500'];
  const site = await createSite(tempDir());
  const found = await hivelet('discover', 'modbus', ...where, '--node', site.node);
  assert.is(found.code, 0, found.stderr);
  const file = path.join(tempDir(), 'found.yaml');
  writeFileSync(file, found.stdout);
  const checked = await hivelet('validate', '--strict', file);
  assert.equal([checked.code, checked.stdout], [0, '1 devices and 1 models checked: 0 refused, 0 conditions, 0 warnings\n']);

  const root = tempDir();
  await simulate(['dht11', '--root', root]);
  running.push(await site.cloud(), await site.edge({ args: ['--set', `modules.mapperHost.sysfsRoot=${root}`] }));
  const kubectl = createKubectl(path.join(site.dataDir, 'kubeconfig'));
  const applied = await kubectl.attempt(['apply', '-f', file]);
  assert.equal([applied.code, applied.stderr], [0, ''], applied.stderr);
  const reported = '{.status.twins[?(@.propertyName=="holding-0")].reported.value}';
  await until(async () => (await kubectl.path(reported, 'device', 'modbus-127-0-0-1-1')) === '200', {
    what: 'the setpoint in the cloud',
    deadlineMs: 30_000,
    everyMs: 200,
  });
  const { stdout } = await hivelet('mappers', '--data-dir', site.dataDir);
  assert.match(stdout, /^MAPPER +PROTOCOLS +RUNS +USABLE +LOADED +STATE +DEVICES +PID +RESTARTS +NOTE$/m);
  assert.match(stdout, /^modbus +modbus,modbus-tcp,modbus-rtu +inside +yes +yes +running +1 +- +0/m);
  // Asked with the settings of the edge, which a person need not repeat.
  assert.match(stdout, /^iio +iio +inside +yes +no +idle +0 +- +0$/m);
  const json = JSON.parse((await hivelet('mappers', '-o', 'json', '--data-dir', site.dataDir)).stdout) as { devices: { name: string }[] };
  assert.equal(
    json.devices.map(({ name }) => name),
    ['modbus-127-0-0-1-1'],
  );
});

test('without an edge mappers tells what the plugins say, and that no edge runs', async () => {
  const { code, stdout, stderr } = await hivelet('mappers', '--data-dir', tempDir());
  assert.is(code, 0);
  assert.match(stdout, /^MAPPER +PROTOCOLS +RUNS +USABLE +NOTE$/m);
  assert.match(stdout, /^bluetooth +bluetooth,ble +child +/m);
  assert.match(stderr, /^no edge runs here \(.*control\.sock\)/);
});

test.run();
