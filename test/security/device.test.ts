/** Owns the proof of accounts at the broker: who comes in, what each may do, how changes reach a running broker, and that a storm or a flood harms nobody else. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IClientOptions } from 'mqtt';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { BrokerOptions } from '#edge/broker/broker.ts';
import { TestAccounts } from '#test/support/broker-accounts.ts';
import { BrokerWorld, type TestClient } from '#test/support/broker-world.ts';
import { until } from '#test/support/until.ts';

const world = new BrokerWorld();
test.after.each(() => world.close());

async function start(accounts: TestAccounts, options: Partial<BrokerOptions> = {}): Promise<void> {
  await world.start({ accounts: accounts.path, requireAccounts: true, ...options });
}

const login = (name: string, more: IClientOptions = {}): Promise<TestClient> =>
  world.client({ username: name, password: `pw ${name}`, ...more });

/** The CONNACK code of a login, and how long it took. */
async function code(login: {
  username?: string;
  password?: string;
  clientId?: string;
  clean?: boolean;
}): Promise<{ code: number; ms: number }> {
  const raw = world.raw();
  const from = performance.now();
  const { username, password, clientId = '', clean = true } = login;
  raw.send({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clientId,
    clean,
    keepalive: 0,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: Buffer.from(password) }),
  });
  const connack = await raw.packet('connack');
  const ms = performance.now() - from;
  if (connack.cmd !== 'connack') throw new Error('no CONNACK');
  if (connack.returnCode !== 0) await raw.closed;
  return { code: connack.returnCode ?? -1, ms };
}

test('a wrong password, a name without account and nobody are told apart only by what MQTT says, later, and are counted with their address', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'right' }, { name: 'd2', certificate: true });
  await start(accounts);
  const right = await code({ username: 'd1', password: 'right' });
  assert.is(right.code, 0);
  const wrong = await Promise.all([
    code({ username: 'd1', password: 'wrong' }),
    code({ username: 'd1' }),
    code({ username: 'd2', password: '' }),
    code({ username: 'nobody', password: 'x' }),
    code({ username: '__proto__', password: 'x' }),
  ]);
  for (const each of wrong) {
    assert.is(each.code, 4);
    assert.ok(each.ms >= 1_000, `after ${String(each.ms)} ms`);
  }
  assert.is((await code({})).code, 5);
  assert.is((await code({ clientId: 'a\0b', username: 'd1', password: 'right' })).code, 2);
  const [first, ...more] = world.events('mqtt.login.refused');
  assert.is(more.length, 0, 'one line a minute');
  assert.match(String(first?.fields['remote']), /^127\.0\.0\.1:\d+$/);
  assert.not.match(JSON.stringify(world.lines), /wrong"|right"/);
  assert.is(world.broker.stats().denied, 7);
});

test('on this machine a client needs no account unless the configuration wants one; a name that has one needs its password', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'right' });
  await start(accounts, { requireAccounts: false });
  assert.is((await code({})).code, 0);
  assert.is((await code({ username: 'mapper', password: 'whatever' })).code, 0);
  assert.is((await code({ username: 'd1', password: 'wrong' })).code, 4);
  const device = await world.client({ username: 'd1', password: 'right' });
  assert.is(await device.subscribe('$hw/events/device/d2/#').catch(() => 128), 128, 'its own rules hold here too');
});

test('accounts come and go while the broker runs; only whose account changed has to come again', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' }, { name: 'd2', password: 'pw d2' });
  await start(accounts);
  const one = await login('d1');
  const two = await login('d2', { clientId: 'kept', clean: false });
  await two.subscribe('$hw/events/device/d2/#', 1);
  await accounts.add({ name: 'd3', password: 'pw d3' });
  const three = await login('d3');
  await accounts.remove('d2');
  await accounts.add({ name: 'd3', password: 'another' });
  await until(() => !two.client.connected && !three.client.connected, { what: 'd2 and d3 to be closed' });
  assert.ok(one.client.connected);
  assert.is((await code({ username: 'd2', password: 'pw d2' })).code, 4);
  assert.is((await code({ username: 'd3', password: 'pw d3' })).code, 4);
  assert.is((await code({ username: 'd3', password: 'another' })).code, 0);
  assert.is(world.broker.stats().sessions, 0, 'what waited for an account that is gone is gone');
});

test('nobody takes over the session of another account by its client id', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' }, { name: 'd2', password: 'pw d2' });
  await start(accounts, { requireAccounts: false });
  const victim = await login('d1', { clientId: 'same', clean: false });
  await victim.subscribe('$hw/events/device/d1/#', 1);
  const thief = await login('d2', { clientId: 'same', clean: false });
  const anonymous = await world.client({ clientId: 'same', clean: false });
  const forged = await world.client({ clientId: 'd1/same', clean: false });
  assert.ok(victim.client.connected, 'it was not pushed out');
  await victim.end();
  await until(() => world.broker.stats().clients === 3, { what: 'the victim to leave' });
  world.broker.port('inside').publish('$hw/events/device/d1/twin/update/delta', 'for d1 only', { qos: 1 });
  const again = await login('d1', { clientId: 'same', clean: false });
  await until(() => again.received.length === 1, { what: 'the message that waited' });
  assert.equal([...thief.received, ...anonymous.received, ...forged.received], []);
});

test('rules that became narrower hold for what a session subscribed and what waits for it', async () => {
  const accounts = new TestAccounts();
  const app = { name: 'app', kind: 'app', password: 'pw app' } as const;
  await accounts.add({ ...app, subscribe: ['a/#', 'b/#'] });
  await start(accounts);
  const before = await login('app', { clientId: 'x', clean: false });
  await before.subscribe('a/1', 1);
  await before.subscribe('b/1', 1);
  await before.end();
  await until(() => world.broker.stats().clients === 0, { what: 'it to leave' });
  const port = world.broker.port('inside');
  port.publish('b/1', 'secret', { qos: 1 });
  port.publish('a/1', 'fine', { qos: 1 });
  await accounts.add({ ...app, subscribe: ['a/#'] });
  const after = await login('app', { clientId: 'x', clean: false });
  port.publish('b/1', 'secret', { qos: 1 });
  port.publish('b/1', 'secret', { qos: 0 });
  port.publish('a/1', 'last', { qos: 1 });
  await until(() => after.received.length >= 2, { what: 'what it may read' });
  assert.equal(after.texts(), ['fine', 'last']);
});

test('what a device may not publish reaches nobody, retained and last will too; the device stays connected and is acknowledged', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' }, { name: 'gone', password: 'pw gone' });
  await start(accounts);
  const heard: string[] = [];
  for (const filter of ['#', '$hw/#']) world.broker.port('witness').subscribe(filter, (topic) => void heard.push(topic));
  const foreign = '$hw/events/device/d2/twin/update';
  const device = await login('d1', { will: { topic: foreign, payload: Buffer.from('forged'), qos: 1, retain: true } });
  for (const qos of [0, 1, 2] as const) await device.publish(foreign, 'forged', { qos, retain: true });
  await device.publish('$hw/events/device/d1/twin/update/result', 'forged', { qos: 1 });
  await device.publish('$hw/events/device/d1/twin/update', 'own', { qos: 1 });
  assert.ok(device.client.connected);
  device.client.stream.destroy();
  const heir = await login('gone', { will: { topic: '$hw/events/upload/will', payload: Buffer.from('x'), qos: 1, retain: true } });
  await accounts.remove('gone');
  await until(() => !heir.client.connected, { what: 'the one whose account is gone' });
  const last = await login('d1');
  await last.publish('$hw/events/upload/last', 'x', { qos: 1 });
  await until(() => heard.includes('$hw/events/upload/last'), { what: 'the last message' });
  assert.equal(heard, ['$hw/events/device/d1/twin/update', '$hw/events/upload/last']);
  assert.is(world.broker.stats().retained, 0);
  assert.is(world.events('mqtt.publish.denied').length, 1, 'one line a minute');
});

/** reference: topic table of the MQTT contract; what a device may do with its own id and with another. */
const table: readonly { topic: string; publish: boolean; subscribe: boolean }[] = [
  { topic: '$hw/events/node/NODE/membership/get', publish: false, subscribe: false },
  { topic: '$hw/events/node/NODE/membership/get/result', publish: false, subscribe: false },
  { topic: '$hw/events/node/NODE/membership/updated', publish: false, subscribe: false },
  { topic: '$hw/events/node/NODE/authInfo/get/result', publish: false, subscribe: false },
  { topic: '$hw/events/device/ID/updated', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/state/update', publish: true, subscribe: true },
  { topic: '$hw/events/device/ID/state/update/result', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/state/get', publish: true, subscribe: true },
  { topic: '$hw/events/device/ID/state/get/result', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/twin/get', publish: true, subscribe: true },
  { topic: '$hw/events/device/ID/twin/get/result', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/twin/update', publish: true, subscribe: true },
  { topic: '$hw/events/device/ID/twin/update/result', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/twin/update/document', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/twin/update/delta', publish: false, subscribe: true },
  { topic: '$hw/events/device/ID/twin/cloud_updated', publish: true, subscribe: true },
  { topic: '$hw/events/upload/x', publish: true, subscribe: false },
  { topic: 'SYS/dis/upload_records', publish: true, subscribe: false },
  { topic: 'NODE/user/x', publish: true, subscribe: false },
  { topic: '$ke/events/device/ID/data/update', publish: false, subscribe: false },
  { topic: '$ke/device/bluetooth-mapper/ID/scheduler/create', publish: false, subscribe: false },
  { topic: 'default/x', publish: false, subscribe: false },
  { topic: '$SYS/x/new/clients', publish: false, subscribe: false },
];

test('every topic of the contract, with its own id and with another, and every wildcard in its place, is judged as the table says', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' });
  await start(accounts, { limits: { subscriptions: 10_000 } });
  const device = await login('d1');
  const heard = new Set<string>();
  for (const filter of ['#', '$hw/#', '$ke/#']) world.broker.port('witness').subscribe(filter, (topic) => void heard.add(topic));
  const allowed = new Set<string>();
  const wrong: string[] = [];
  let cases = 0;
  const subscribes = async (filter: string, expected: boolean): Promise<void> => {
    cases++;
    if (((await device.subscribe(filter, 1).catch(() => 128)) !== 128) !== expected) wrong.push(`subscribe ${filter}`);
  };
  for (const { topic, publish, subscribe } of table) {
    for (const id of ['d1', 'd2', 'd', 'd11', '']) {
      const named = topic.replace('ID', id).replace('NODE', 'n1');
      const own = !topic.includes('ID') || id === 'd1';
      if (publish && own) allowed.add(named);
      await device.publish(named, 'x', { qos: 1 });
      await subscribes(named, subscribe && id === 'd1');
    }
    const levels = topic.replace('ID', 'd1').replace('NODE', 'n1').split('/');
    for (const [index] of levels.entries()) {
      // A wildcard reaches others unless all before it, the own id included, is spelled out.
      const below = subscribe && index > 3;
      await subscribes(levels.with(index, '+').join('/'), below);
      await subscribes([...levels.slice(0, index), '#'].join('/'), below);
    }
  }
  await device.publish('$hw/events/upload/end', 'x', { qos: 1 });
  allowed.add('$hw/events/upload/end');
  await until(() => heard.has('$hw/events/upload/end'), { what: 'the last publish' });
  assert.equal([...heard].toSorted(), [...allowed].toSorted());
  assert.equal(wrong, []);
  assert.ok(cases > 300, `${String(cases)} filters`);
});

test('one account has so many connections; who comes back under its own client id is never one too many', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' }, { name: 'd2', password: 'pw d2' });
  await start(accounts, { limits: { connectionsPerAccount: 2 } });
  await login('d1', { clientId: 'a' });
  await login('d1', { clientId: 'b' });
  assert.is((await code({ username: 'd1', password: 'pw d1', clientId: 'c' })).code, 3);
  assert.is((await code({ username: 'd1', password: 'pw d1', clientId: 'b' })).code, 0);
  assert.is((await code({ username: 'd2', password: 'pw d2' })).code, 0);
  assert.is(world.events('mqtt.account.full').length, 1);
});

test('two hundred clients that come back at once are in within seconds, one password at a time, and nobody else waits', async () => {
  const accounts = new TestAccounts();
  const names = Array.from({ length: 20 }, (_, index) => `d${String(index)}`);
  await accounts.add(...names.map((name) => ({ name, password: `pw ${name}` })), { name: 'quiet', password: 'pw quiet' });
  await start(accounts);
  const quiet = await login('quiet');
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const storm = async (): Promise<number> => {
    const from = performance.now();
    const codes = await Promise.all(
      Array.from({ length: 200 }, (_, index) => {
        const name = names[index % names.length] ?? '';
        return code({ username: name, password: `pw ${name}`, clientId: `c${String(index)}` });
      }),
    );
    assert.ok(codes.every((each) => each.code === 0));
    return performance.now() - from;
  };
  delay.enable();
  const first = await storm();
  delay.disable();
  await quiet.publish('$hw/events/upload/x', 'still here', { qos: 1 });
  console.log(`200 logins: ${first.toFixed(0)} ms, event loop p99 ${(delay.percentile(99) / 1e6).toFixed(0)} ms`);
  assert.is(world.broker.stats().clients, 201);
  // The same client ids again: the old connections give way.
  const second = await storm();
  console.log(`200 logins again, from memory: ${second.toFixed(0)} ms`);
  assert.is(world.broker.stats().clients, 201);
});

test('a client that floods is closed, told of once, and the quiet one beside it notices nothing', async () => {
  const accounts = new TestAccounts();
  await accounts.add({ name: 'd1', password: 'pw d1' }, { name: 'd2', password: 'pw d2' });
  await start(accounts, { limits: { publishRate: 50 } });
  const flooder = await login('d1');
  const quiet = await login('d2');
  const answers: string[] = [];
  world.broker.port('inside').subscribe('$hw/events/device/d2/twin/get', (_topic, payload) => void answers.push(payload.toString()));
  for (let index = 0; index < 2_000; index++) flooder.client.publish('$hw/events/upload/x', 'flood');
  for (let index = 0; index < 20; index++) await quiet.publish('$hw/events/device/d2/twin/get', String(index), { qos: 1 });
  await until(() => !flooder.client.connected, { what: 'the flooder to be closed' });
  assert.ok(quiet.client.connected);
  assert.is(answers.length, 20);
  const closed = world.events('mqtt.client.closed');
  assert.is(closed.length, 1);
  assert.match(String(closed[0]?.fields['error']), /publishRate/);
  assert.match(String(closed[0]?.fields['client']), /^d1\//);
});

test.run();
