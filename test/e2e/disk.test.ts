// timeout: 240s
/** Owns the proof of what an edge does on a bad disk: full, and slow (DESIGN section 4 "Store"). */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from 'mqtt';
import { systemClock } from '#beehive/clock.ts';
import { startThermostat, type Thermostat } from '#mappers/modbus/simulate.ts';
import { ask, watchMqtt } from '#test/support/edge.ts';
import { startEdgeProcess } from '#test/support/edge-process.ts';
import { closeAll, closeLater } from '#test/support/linked-edge.ts';
import { needing, skipTest } from '#test/support/peers.ts';
import { spawnProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

test.after.each(closeAll);

const topic = (device: string, rest: string): string => `$hw/events/device/${device}/${rest}`;

interface SmallDisk {
  /** The directory as the test sees it. */
  path: string;
  dataDir: string;
  /** Put before a program that is to see the directory under `dataDir`. */
  wrapper: readonly string[];
}

/** A file system of a few MiB that exists in a mount namespace of its own, so that nothing is left of it whatever happens; or why there is none. */
async function smallDisk(mebibytes: number): Promise<SmallDisk | string> {
  if (process.getuid?.() !== 0) return 'only root may mount a small file system';
  const dataDir = tempDir();
  const mount = `mount -t tmpfs -o size=${String(mebibytes)}m tmpfs ${dataDir} && echo mounted && exec sleep 600`;
  const holder = spawnProcess({ command: 'unshare', args: ['-m', 'sh', '-c', mount] });
  try {
    await holder.line('mounted');
  } catch {
    return 'mounting a small file system is not allowed here';
  }
  closeLater(() => Promise.resolve(holder.kill()));
  // nsenter goes to the root directory, from where no package is found.
  const inside = ['nsenter', '-m', '-t', String(holder.pid), 'sh', '-c', 'cd "$0" && exec "$@"', join(import.meta.dirname, '../..')];
  return { dataDir, path: `/proc/${String(holder.pid)}/root${dataDir}`, wrapper: inside };
}

/** Every byte that is left. */
function fill(path: string): void {
  for (const size of [65_536, 4096, 512]) {
    for (let number = 0; ; number++) {
      try {
        writeFileSync(join(path, `filler-${String(size)}-${String(number)}`), Buffer.alloc(size, 1));
      } catch {
        break;
      }
    }
  }
}

const full = 'on a full disk an update is answered 500 without a PUBACK, the state is kept, one event is logged; with room again it works';

async function fullDisk(disk: SmallDisk): Promise<void> {
  const { dataDir, path, wrapper } = disk;
  const edge = await startEdgeProcess({ dataDir, seed: 'd:1', wrapper });
  closeLater(() => edge.stop());
  const mqtt = await watchMqtt(edge.port, ['$hw/#']);
  closeLater(() => mqtt.close());
  const value = async (): Promise<unknown> => {
    const answer = await ask(mqtt, topic('d1', 'twin/get'), {});
    return (answer['twin'] as Record<string, { actual?: { value: string } }>)['text']?.actual?.value;
  };
  let acknowledged = 0;
  const body = (number: number): string =>
    JSON.stringify({ event_id: `full-${String(number)};`, twin: { text: { actual: { value: `${String(number)} ${'x'.repeat(8000)}` } } } });
  const send = async (number: number): Promise<string> => {
    mqtt.client.publish(topic('d1', 'twin/update'), body(number), { qos: 1 }, (error) => {
      if (error === undefined || error === null) acknowledged = number;
    });
    const mine = `"event_id":"full-${String(number)};`;
    return (await mqtt.message('the answer', (seen) => seen.topic === topic('d1', 'twin/update/result') && seen.payload.includes(mine)))
      .payload;
  };
  let number = 1;
  assert.not.match(await send(number), '"code"');
  fill(path);
  let answer = '';
  // What the log has room for already may still be written.
  for (let tries = 0; tries < 1000 && !answer.includes('"code":500'); tries++) answer = await send(++number);
  assert.match(answer, /"code":500,"reason":"the disk that holds .* is full: free some space"/);
  const before = await value();
  assert.is(before, `${String(number - 1)} ${'x'.repeat(8000)}`, 'the state is what was answered last');
  for (let tries = 0; tries < 5; tries++) assert.match(await send(++number), '"code":500');
  assert.is(await value(), before);
  const from = mqtt.seen.length;
  mqtt.publish(topic('d1', 'state/update'), JSON.stringify({ event_id: 'state', state: 'online', reason: 'r'.repeat(1000) }));
  const [got, refused] = await Promise.all([
    ask(mqtt, topic('d1', 'twin/get'), {}),
    mqtt.message('the refusal', (seen) => seen.topic === topic('d1', 'state/update/result'), from),
  ]);
  assert.is(got['code'], undefined, 'a question that shares the transaction is answered all the same');
  assert.match(refused.payload, '"event_id":"state"');
  assert.match(refused.payload, '"code":500');
  assert.is(acknowledged, number - 6, 'none of the refused ones was acknowledged');
  assert.is(edge.events('store.failed').length, 1, 'one event, however many updates were refused');
  assert.is(edge.events('store.failed')[0]?.['code'], 'STORE_FULL');
  for (const size of [65_536, 4096, 512])
    for (let index = 0; index < 1000; index++) rmSync(join(path, `filler-${String(size)}-${String(index)}`), { force: true });
  assert.not.match(await send(++number), '"code"');
  await until(() => acknowledged === number, { what: 'the PUBACK' });
  assert.is(edge.events('store.recovered').length, 1);
  const now = await value();
  await edge.kill();
  const again = await startEdgeProcess({ dataDir, wrapper });
  closeLater(() => again.stop());
  const later = await watchMqtt(again.port, ['$hw/#']);
  closeLater(() => later.close());
  const kept = (await ask(later, topic('d1', 'twin/get'), {}))['twin'] as Record<string, { actual?: { value: string } }>;
  assert.is(kept['text']?.actual?.value, now);
}

const disk = await smallDisk(4);
if (typeof disk === 'string') skipTest(test, { name: full, handler: () => undefined, reason: disk });
else test(full, () => fullDisk(disk));

/** The sample thermostat as a local device file, with a time-out shorter than one sync. */
async function addThermostat(dataDir: string): Promise<Thermostat> {
  const samples = join(import.meta.dirname, '../../device-models/samples');
  const folder = join(dataDir, 'edge/devices.d');
  mkdirSync(folder, { recursive: true });
  const thermostat = await startThermostat({ clock: systemClock, noise: 0, setpoint: 20 });
  closeLater(() => thermostat.close());
  const device = readFileSync(join(samples, 'modbus-thermostat.yaml'), 'utf8');
  const quick = device.replace('1502', String(thermostat.port)).replace('slaveID: 1', 'slaveID: 1\n      timeout: 100');
  assert.match(quick, 'timeout: 100');
  writeFileSync(join(folder, 'thermostat.yaml'), quick);
  copyFileSync(join(samples, 'modbus-thermostat-model.yaml'), join(folder, 'model.yaml'));
  return thermostat;
}

const slow =
  'a card that needs 200 ms for each sync disconnects no client with a keepalive of 5 s, answers everything, and makes no false time-out';

needing(test, 'strace')(slow, async () => {
  const dataDir = tempDir();
  const thermostat = await addThermostat(dataDir);
  const inject = ['-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync,fsync:delay_exit=200000'];
  const wrapper = ['strace', '-f', '-q', ...inject, '-o', '/dev/null'];
  const edge = await startEdgeProcess({ dataDir, seed: 'd:10', wrapper, deadlineMs: 60_000 });
  closeLater(() => edge.stop());
  const watcher = await watchMqtt(edge.port, [topic('thermostat', 'state/update'), topic('thermostat', 'twin/update')]);
  closeLater(() => watcher.close());
  await watcher.message('the thermostat', (seen) => seen.topic.endsWith('/twin/update'));
  watcher.publish(topic('thermostat', 'twin/update'), '{"twin":{"setpoint":{"expected":{"value":"22.5"}}}}');
  const clients = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const device = `d${String(index + 1)}`;
      const client = connect({ host: '127.0.0.1', port: edge.port, protocol: 'mqtt', keepalive: 5, reconnectPeriod: 0 });
      client.on('error', () => undefined);
      const state = { client, device, sent: 0, answered: 0, lost: false };
      client.on('message', () => state.answered++);
      client.on('close', () => (state.lost = true));
      await new Promise<void>((resolve) => client.once('connect', () => resolve()));
      await client.subscribeAsync(topic(device, 'twin/update/result'));
      return state;
    }),
  );
  closeLater(() => Promise.all(clients.map(({ client }) => client.endAsync(true))));
  const idle = connect({ host: '127.0.0.1', port: edge.port, protocol: 'mqtt', keepalive: 5, reconnectPeriod: 0 });
  let idleLost = false;
  idle.on('error', () => undefined).on('close', () => (idleLost = true));
  closeLater(() => idle.endAsync(true));
  const from = performance.now();
  while (performance.now() - from < 20_000) {
    for (const state of clients) {
      if (state.sent - state.answered >= 4) continue;
      const twin = { temperature: { actual: { value: String(++state.sent) } } };
      state.client.publish(topic(state.device, 'twin/update'), JSON.stringify({ twin }), { qos: 1 });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await until(() => clients.every(({ sent, answered }) => sent === answered), { what: 'every answer', deadlineMs: 30_000 });
  const total = clients.reduce((sum, { answered }) => sum + answered, 0);
  process.stdout.write(`${String(total)} updates in 20 s with 200 ms a sync\n`);
  assert.ok(total > 200, 'one sync serves many');
  assert.not(idleLost);
  assert.is(thermostat.state().setpoint, 22.5);
  const states = watcher.seen.filter((seen) => seen.topic.endsWith('/state/update')).map((seen) => seen.payload);
  assert.equal(
    states.filter((payload) => !payload.includes('"online"')),
    [],
  );
  assert.equal(
    edge.process.lines.filter((line) => line.includes('did not answer')),
    [],
  );
  assert.equal(
    clients.filter(({ lost }) => lost).map(({ device }) => device),
    [],
  );
});

test.run();
