/** Owns the proof of get, set and watch at a board, over the MQTT of a real edge. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from '#test/support/edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { freePort } from '#test/support/ports.ts';
import { until, within } from '#test/support/until.ts';
import { MqttConversation } from '../../bin/commands/twins/mqtt-conversation.ts';
import { MqttTwins } from '../../bin/commands/twins/mqtt-twins.ts';
import { seenText } from '../../bin/commands/twins/seen.ts';

let edge: TestEdge;
let mapper: MqttWatcher;
let twins: MqttTwins;
const abort = new AbortController();

/** A mapper that does what it is told, at once. */
function obey(): void {
  mapper.client.on('message', (topic, payload) => {
    if (!topic.endsWith('/twin/update/delta')) return;
    const { delta } = JSON.parse(payload.toString('utf8')) as { delta: Record<string, string> };
    report(delta['temperature'] ?? '');
  });
}

function report(value: string): void {
  mapper.publish(
    '$hw/events/device/dev1/twin/update',
    JSON.stringify({ event_id: '', timestamp: 1, twin: { temperature: { actual: { value }, metadata: { type: 'float' } } } }),
  );
}

/** The message of what the promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it did not fail');
}

test.before(async () => {
  edge = await startTestEdge({ dataDir: tempDir(), node: 'board', seed: 'dev:2' });
  mapper = await watchMqtt(edge.port, ['$hw/events/device/dev1/twin/update/delta']);
  twins = new MqttTwins(
    await MqttConversation.connect({ url: `tcp://127.0.0.1:${edge.port}` }, { clock: systemClock, signal: abort.signal }),
    systemClock,
  );
});

test.after(async () => {
  await twins.close();
  await mapper.close();
  await edge.edge.stop();
});

test('the board lists its devices and their twins', async () => {
  assert.equal((await twins.devices()).map(({ name, node }) => [name, node]).sort(), [
    ['dev1', 'board'],
    ['dev2', 'board'],
  ]);
  assert.equal((await twins.twins('dev1')).twins, [{ property: 'temperature', type: 'float', unit: '', readOnly: false, state: '' }]);
});

test('what nobody reports is told as such, and stays desired', async () => {
  const [outcome] = await twins.set('dev1', [{ property: 'temperature', value: '20' }], { waitMs: 50 });
  assert.equal([outcome?.value, outcome?.reported, outcome?.reason], ['20', undefined, 'no mapper reported it']);
  assert.is((await twins.twins('dev1')).twins[0]?.state, 'pending');
});

test('a value set at the board is reported by its mapper', async () => {
  obey();
  const [outcome] = await twins.set('dev1', [{ property: 'temperature', value: '21.5' }], { waitMs: 10_000 });
  assert.equal([outcome?.before, outcome?.reported], ['20', '21.5']);
  const [again] = await twins.set('dev1', [{ property: 'temperature', value: '21.5' }], { waitMs: 10_000 });
  assert.is(again?.reported, '21.5');
});

test('a wrong value, property or device is refused before anything is sent', async () => {
  const cases: [device: string, property: string, value: string, message: RegExp][] = [
    ['dev1', 'temperature', 'warm', /^dev1\.temperature is of type float, and "warm" is none$/],
    ['dev1', 'temprature', '1', /did you mean temperature\?/],
    ['dev', 'temperature', '1', /^there is no device dev at tcp:.*; did you mean dev1\?$/],
  ];
  for (const [device, property, value, expected] of cases) {
    const message = await failureOf(twins.set(device, [{ property, value }], { waitMs: 0 }));
    assert.match(message, expected);
  }
});

test('watching shows what is there and each change; uploads are shown too', async () => {
  const lines: string[] = [];
  const stop = new AbortController();
  const watching = twins.watch([], (change) => lines.push(seenText(change)), stop.signal);
  const uploads: string[] = [];
  const following = twins.uploads(({ topic, payload }) => uploads.push(`${topic} ${payload}`), stop.signal);
  await until(() => lines.length >= 2, { what: 'the first look' });
  await until(
    async () => {
      report('30');
      mapper.publish('app/user/x', 'hello');
      return lines.some((line) => line.startsWith('dev1 temperature 30')) && uploads.length > 0;
    },
    { what: 'the change and the upload', everyMs: 50 },
  );
  assert.is(uploads[0], 'app/user/x hello');
  stop.abort();
  await within(Promise.all([watching, following]), { what: 'the end of watching' });
});

test('where nobody listens, one sentence says what to do', async () => {
  const url = `tcp://127.0.0.1:${await freePort()}`;
  const message = await failureOf(MqttConversation.connect({ url }, { clock: systemClock, signal: abort.signal }));
  assert.match(message, /^no MQTT broker answers at tcp:.*: start `hivelet edge`, or name another with --mqtt$/);
});

test('Ctrl-C does not wait for a broker that says nothing', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const ctrlC = new AbortController();
  const asked = new Promise<Socket>((resolve) => silent.once('connection', resolve));
  const url = `tcp://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const connecting = failureOf(MqttConversation.connect({ url }, { clock: systemClock, signal: ctrlC.signal }));
  const socket = await asked;
  ctrlC.abort(new Error('stopped by a person'));
  assert.is(await within(connecting, { what: 'the end', deadlineMs: 3000 }), 'stopped by a person');
  socket.destroy();
  silent.close();
});

test('a broker that goes away ends the waiting', async () => {
  const other = await startTestEdge({ dataDir: tempDir(), node: 'gone', seed: 'dev:1' });
  const mqtt = await MqttConversation.connect({ url: `tcp://127.0.0.1:${other.port}` }, { clock: systemClock, signal: abort.signal });
  const waiting = mqtt.untilEnd(new AbortController().signal);
  await other.edge.stop();
  assert.match(await failureOf(within(waiting, { what: 'the end' })), /closed the connection/);
  await mqtt.close();
});

test.run();
