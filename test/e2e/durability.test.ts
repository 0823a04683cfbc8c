// timeout: 400s
/** Owns the proof of "an answer means committed" (DESIGN D8) on the real program: by its system calls, and by kill -9. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, watchMqtt, type MqttWatcher } from '#test/support/edge.ts';
import { edgeCommand, startEdgeProcess, type EdgeProcess } from '#test/support/edge-process.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { entry, startHiveletHub } from '#test/support/hivelet-hub.ts';
import { closeAll, closeLater } from '#test/support/linked-edge.ts';
import { needing } from '#test/support/peers.ts';
import { runProcess, spawnProcess } from '#test/support/processes.ts';
import { readTrace, unsafeAnswer } from '#test/support/sync-trace.ts';
import { tempDir } from '#test/support/temp-dir.ts';

test.after.each(closeAll);

const topic = (device: string, rest: string): string => `$hw/events/device/${device}/${rest}`;
const update = (eventId: string, value: string): string =>
  JSON.stringify({ event_id: eventId, twin: { temperature: { actual: { value } } } });

async function start(options: Parameters<typeof startEdgeProcess>[0]): Promise<EdgeProcess> {
  const edge = await startEdgeProcess(options);
  closeLater(() => edge.stop());
  return edge;
}

async function watch(edge: EdgeProcess, filters: readonly string[]): Promise<MqttWatcher> {
  const mqtt = await watchMqtt(edge.port, filters);
  closeLater(() => mqtt.close());
  return mqtt;
}

needing(test, 'strace')('the log is synced before the PUBACK and before the result, each time', async () => {
  const trace = join(tempDir(), 'trace');
  const calls = 'trace=read,write,writev,sendto,sendmsg,pwrite64,fdatasync,fsync';
  const wrapper = ['strace', '-f', '-y', '-s', '512', '-e', calls, '-e', 'signal=none', '-o', trace];
  const edge = await start({ dataDir: tempDir(), seed: 'd:1', wrapper });
  const mqtt = await watch(edge, [topic('d1', 'twin/update/result')]);
  const count = 30;
  const ids: number[] = [];
  mqtt.client.on('packetsend', (packet) => {
    if (packet.cmd === 'publish') ids.push(packet.messageId ?? 0);
  });
  for (let number = 0; number < count; number++) {
    await mqtt.client.publishAsync(topic('d1', 'twin/update'), update(`u${String(number)};`, String(number)), { qos: 1 });
    await mqtt.message('the result', (seen) => seen.payload.includes(`u${String(number)};`));
  }
  await edge.stop();
  const seen = readTrace(readFileSync(trace, 'latin1'));
  assert.is(ids.length, count);
  for (const [number, id] of ids.entries()) {
    const request = `"event_id\\":\\"u${String(number)};`;
    const answers = [puback(id), request];
    assert.is(unsafeAnswer(seen, /edgecore\.db-wal$/, { request, answers }), undefined, `update ${String(number)}`);
  }
});

/** The beginning of a PUBACK as strace prints it. */
function puback(id: number): RegExp {
  const [high, low] = [id >> 8, id & 255].map((byte) => {
    const text = String.fromCharCode(byte).replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    const octal = `\\\\0{0,2}${byte.toString(8)}`;
    const names: Record<number, string> = { 9: '\\\\t', 10: '\\\\n', 11: '\\\\v', 12: '\\\\f', 13: '\\\\r', 34: '\\\\"', 92: '\\\\\\\\' };
    return names[byte] ?? (byte >= 32 && byte < 127 ? `(?:${text}|${octal})` : octal);
  });
  // strace writes a number in full where a digit follows.
  return new RegExp(`"@\\\\0{0,2}2${high ?? ''}${low ?? ''}`);
}

/** What a run was told, and what it was asked to do: numbers that grow. */
interface Ledger {
  sent: number;
  answered: number;
}

const DEVICES = ['d1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7', 'd8'];

/** The values of a device must lie between what was answered and what was sent; from here on they are what was answered. */
function check(what: string, ledger: Ledger, found: number): void {
  assert.ok(found >= ledger.answered && found <= ledger.sent, `${what}: ${String(found)} is there, ${JSON.stringify(ledger)}`);
  ledger.answered = found;
}

/** Sends updates and states to every device, a few at a time each, until the process is gone. */
function load(mqtt: MqttWatcher, twins: Map<string, Ledger>, states: Map<string, Ledger>): void {
  let on = true;
  mqtt.client.on('close', () => (on = false));
  const answered = (ledger: Ledger | undefined, number: number): void => {
    if (ledger !== undefined) ledger.answered = Math.max(ledger.answered, number);
  };
  mqtt.client.on('message', (at, payload) => {
    const [, , , device = '', kind = ''] = at.split('/');
    if (kind === 'twin') answered(twins.get(device), Number(/"event_id":"(\d+)"/.exec(payload.toString())?.[1]));
    else answered(states.get(device), Number(/"reason":"(\d+)"/.exec(payload.toString())?.[1] ?? 0));
  });
  const step = (): void => {
    if (!on) return;
    for (const [index, device] of DEVICES.entries()) {
      const [twin, state] = [twins.get(device), states.get(device)];
      // Every second device with QoS 1: its PUBACK is an answer, too.
      if (twin !== undefined && twin.sent - twin.answered < 8) {
        const number = ++twin.sent;
        const done = (error?: Error | null): void =>
          error === undefined || error === null ? answered(index % 2 === 0 ? twin : undefined, number) : undefined;
        mqtt.client.publish(topic(device, 'twin/update'), update(String(number), String(number)), { qos: index % 2 === 0 ? 1 : 0 }, done);
      }
      if (state !== undefined && state.sent - state.answered < 2) {
        const body = { state: state.sent % 2 === 0 ? 'online' : 'offline', reason: String(++state.sent) };
        mqtt.client.publish(topic(device, 'state/update'), JSON.stringify(body));
      }
    }
    setImmediate(step);
  };
  step();
}

test('kill -9 under load, 50 times: everything that was answered is there, and the device table is what was told', async () => {
  const dataDir = tempDir();
  const hub = await startHiveletHub({ dataDir, node: 'edge-node' });
  closeLater(() => hub.close());
  hub.detail = () => undefined;
  const clock = new FakeClock({ seed: 20_261_121 });
  const ledgers = (): Map<string, Ledger> => new Map(DEVICES.map((device) => [device, { sent: 0, answered: 0 }]));
  const [twins, states] = [ledgers(), ledgers()];
  /** true: told to be there; false: told to be gone; absent: nobody was told. */
  const members = new Map<string, boolean>();
  for (let run = 0; run <= 50; run++) {
    if (run % 10 === 9) await killAtStart(dataDir, clock.random());
    const links = hub.connections.length;
    const edge = await start({ dataDir, seed: 'd:8', hub: hub.server });
    const mqtt = await watch(edge, [topic('+', 'twin/+/result'), topic('+', 'state/+/result'), '$hw/events/node/#']);
    await checkAll(mqtt, { twins, states, members });
    if (run === 50) break;
    await hub.connected(links + 1);
    load(mqtt, twins, states);
    const [added, removed] = [`x${String(run)}`, `x${String(run - 1)}`];
    members.delete(removed);
    const tell = (content: object, done: () => unknown): void => void hub.tell('membership', content).then(done, () => undefined);
    tell({ added_devices: [entry(added, { p: '1' })] }, () => members.set(added, true));
    tell({ removed_devices: [{ id: removed }] }, () => members.set(removed, false));
    const closed = new Promise<void>((resolve) => mqtt.client.once('close', () => resolve()));
    await clockless(50 + clock.random() * 350);
    await edge.kill();
    await closed;
    assert.equal(edge.events('store.unreadable'), []);
  }
  const total = [...twins.values()].reduce((sum, { answered }) => sum + answered, 0);
  process.stdout.write(`${String(total)} updates were answered before one of 50 kills\n`);
  assert.ok(total > 500);
});

const clockless = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function killAtStart(dataDir: string, random: number): Promise<void> {
  const child = spawnProcess({ ...edgeCommand({ dataDir, seed: 'd:8' }), cwd: join(import.meta.dirname, '../..') });
  await clockless(200 + random * 800);
  child.kill();
  await child.exited;
}

async function checkAll(
  mqtt: MqttWatcher,
  told: { twins: Map<string, Ledger>; states: Map<string, Ledger>; members: Map<string, boolean> },
): Promise<void> {
  for (const [device, ledger] of told.twins) {
    const answer = await ask(mqtt, topic(device, 'twin/get'), {});
    const twin = (answer['twin'] as Record<string, { actual?: { value: string } }>)['temperature'];
    check(`the twin of ${device}`, ledger, Number(twin?.actual?.value ?? 0));
  }
  for (const [device, ledger] of told.states) {
    const from = mqtt.seen.length;
    mqtt.publish(topic(device, 'state/get'), '{}');
    const answer = await mqtt.message('the state', (seen) => seen.topic === topic(device, 'state/get/result') && !seen.retain, from);
    check(`the state of ${device}`, ledger, Number(/"reason":"(\d+)"/.exec(answer.payload)?.[1] ?? 0));
  }
  const list = (await ask(mqtt, '$hw/events/node/edge-node/membership/get', {}))['devices'] as { id: string; state?: string }[];
  const found = new Set(list.map(({ id }) => id));
  for (const device of DEVICES) assert.ok(found.has(device), device);
  for (const [id, there] of told.members) assert.is(found.has(id), there, `${id} was told to be ${there ? 'there' : 'gone'}`);
}

test('a second edgecore on the same data directory is told in one sentence whose it is', async () => {
  const dataDir = tempDir();
  const edge = await start({ dataDir });
  const second = await runProcess({ ...edgeCommand({ dataDir }), cwd: join(import.meta.dirname, '../..') });
  assert.is(second.code, 1);
  const said = second.stderr.trim().split('\n');
  assert.is(said.length, 1, second.stderr);
  assert.match(said[0] ?? '', new RegExp(`edgecore\\.db is in use by process ${String(edge.pid)}: stop it, or choose another --data-dir`));
  assert.ok(edge.process.running);
});

test.run();
