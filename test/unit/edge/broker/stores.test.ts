/** Owns the proof of the bounds of retained messages and sessions, and of what survives a restart. */
import path from 'node:path';
import { writeFileSync, existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, silentLogger, type LogLine } from '#beehive/log.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { openBrokerDatabase } from '#edge/broker/broker-database.ts';
import { defaultLimits, type BrokerLimits } from '#edge/broker/limits.ts';
import { BrokerPersistence } from '#edge/broker/persistence.ts';
import type { RetainedMessage } from '#edge/broker/retained.ts';
import { streamed } from '#edge/broker/session-queue.ts';
import { Tally } from '#edge/broker/tally.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';

interface World {
  clock: FakeClock;
  tally: Tally;
  store: BrokerPersistence;
  restart(): Promise<BrokerPersistence>;
}

function world(limits: Partial<BrokerLimits> = {}): World {
  const clock = new FakeClock();
  const tally = new Tally(clock, silentLogger());
  const file = path.join(tempDir(), 'broker.db');
  const open = (): BrokerPersistence =>
    new BrokerPersistence({ clock, limits: { ...defaultLimits, ...limits }, tally, database: openBrokerDatabase(file, silentLogger()) });
  const made: World = {
    clock,
    tally,
    store: open(),
    restart: async () => {
      await made.store.destroy();
      made.store = open();
      return made.store;
    },
  };
  return made;
}

function message(topic: string, text = 'x'): RetainedMessage {
  return { cmd: 'publish', topic, payload: Buffer.from(text), qos: 1, retain: true };
}

async function kept(store: BrokerPersistence, filter: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { topic, payload } of store.retained.matching(filter)) found.push(`${topic}=${payload.toString()}`);
  return found.sort();
}

function queue(store: BrokerPersistence, id: string): string[] {
  return [...(store.sessions.get(id)?.queue ?? [])].map(({ payload }) => payload.toString());
}

let counter = 0;
function send(store: BrokerPersistence, topic: string, text: string): void {
  const subscriptions = store.sessions.matching(topic);
  store.sessions.enqueue(subscriptions, { brokerId: 'b', brokerCounter: ++counter, topic, payload: Buffer.from(text), qos: 1 });
}

test('retained messages: the last of each topic, empty forgets, $-topics only for filters that name them, all after a restart', async () => {
  const at = world();
  for (const [topic, text] of [
    ['a/b', '1'],
    ['a/b', '2'],
    ['a/c', '3'],
    ['$hw/x', '4'],
    ['gone', '5'],
    ['gone', ''],
  ] as const)
    at.store.retained.store(message(topic, text));
  for (const store of [at.store, await at.restart()]) {
    assert.equal(await kept(store, '#'), ['a/b=2', 'a/c=3']);
    assert.equal(await kept(store, '+/x'), []);
    assert.equal(await kept(store, '$hw/#'), ['$hw/x=4']);
    assert.equal(await kept(store, 'a/b'), ['a/b=2']);
    assert.is(store.retained.bytes, 3);
  }
  await at.store.destroy();
});

test('retained messages are bounded in number and bytes; a known topic may still change', async () => {
  const at = world({ retainedMessages: 2, retainedBytes: 10 });
  const { retained } = at.store;
  assert.is(retained.store(message('a', '12345')), true);
  assert.is(retained.store(message('b', '12345')), true);
  assert.is(retained.store(message('c', '')), true, 'forgetting an unknown topic is no new one');
  assert.is(retained.store(message('c', '1')), false);
  assert.is(retained.store(message('a', '123456')), false);
  assert.is(retained.store(message('a', '12')), true);
  assert.equal([retained.size, retained.bytes, at.tally.total('mqtt.message.dropped')], [2, 7, 2]);
  await at.store.destroy();
});

test('a QoS 0 retained topic that changes every second is written at once, then every 30 s', async () => {
  const at = world();
  for (let second = 0; second < 120; second++) {
    at.store.retained.store({ ...message('t', String(second)), qos: 0 });
    await at.clock.advance(1_000);
  }
  assert.ok(at.store.commits >= 4 && at.store.commits <= 6, `${at.store.commits} transactions`);
  assert.equal(await kept(await at.restart(), 't'), ['t=119']);
  await at.store.destroy();
});

test('a message that is acknowledged before it is due never touches the disk', async () => {
  const at = world();
  at.store.sessions.subscribe('c', [{ topic: 'a', qos: 1 }]);
  await at.clock.advance(1_000);
  const before = at.store.commits;
  for (let i = 0; i < 100; i++) {
    send(at.store, 'a', String(i));
    const session = at.store.sessions.ensure('c');
    const [first] = session.queue;
    if (first !== undefined) at.store.sessions.remove(session, first);
  }
  await at.clock.advance(1_000);
  assert.is(at.store.commits, before);
  await at.store.destroy();
});

test('a session that is away keeps its newest messages, in order, also over a restart', async () => {
  const at = world({ queueMessages: 3 });
  at.store.sessions.subscribe('c', [
    { topic: 'a/#', qos: 1 },
    { topic: '#', qos: 1 },
    { topic: 'quiet', qos: 0 },
  ]);
  for (let i = 0; i < 5; i++) send(at.store, 'a/b', String(i));
  send(at.store, '$hw/x', 'not for #');
  assert.equal(queue(at.store, 'c'), ['2', '3', '4'], 'once each, though two filters match');
  assert.is(at.tally.total('mqtt.message.dropped'), 2);
  const again = await at.restart();
  assert.equal(queue(again, 'c'), ['2', '3', '4']);
  assert.equal(
    (await again.subscriptionsByClient({ id: 'c' })).map(({ topic, qos }) => `${topic} ${qos}`),
    ['a/# 1', '# 1', 'quiet 0'],
  );
  send(again, 'a/b', '5');
  assert.equal(queue(again, 'c'), ['3', '4', '5']);
  await again.destroy();
});

test('queues are bounded in bytes, one by one and together', async () => {
  const at = world({ queueBytes: 10, queueBytesTotal: 15 });
  for (const id of ['c', 'd']) at.store.sessions.subscribe(id, [{ topic: id, qos: 1 }]);
  for (let i = 0; i < 4; i++) send(at.store, 'c', `1234${i}`);
  assert.equal(queue(at.store, 'c'), ['12342', '12343']);
  for (let i = 0; i < 2; i++) send(at.store, 'd', `1234${i}`);
  assert.equal(queue(at.store, 'd'), ['12341'], 'the older one of the same session goes, other sessions are left alone');
  await at.store.destroy();
});

test('QoS 2: identifier and state of each message survive a restart', async () => {
  const at = world();
  const { sessions } = at.store;
  sessions.subscribe('c', [{ topic: 'a', qos: 2 }]);
  for (const text of ['one', 'two'])
    sessions.enqueue(sessions.matching('a'), { brokerId: 'b', brokerCounter: ++counter, topic: 'a', payload: Buffer.from(text), qos: 2 });
  const session = sessions.ensure('c');
  for (const [index, each] of [...session.queue].entries()) sessions.identify(session, each, 100 + index);
  await at.store.outgoingUpdate({ id: 'c' }, { cmd: 'pubrel', messageId: 100 });
  sessions.setUnreleased(session, 7, null);
  const again = (await at.restart()).sessions.get('c');
  const packets = [...(again?.queue ?? [])].map(streamed);
  assert.equal(packets[0], { cmd: 'pubrel', messageId: 100 });
  assert.is(packets[1]?.messageId, 101);
  assert.is(again?.queue.nextId(), 102);
  assert.equal([...(again?.unreleased.keys() ?? [])], [7]);
  await at.store.destroy();
});

test('a session is forgotten after 7 days away, counted while the broker runs; one that is connected is not', async () => {
  const at = world();
  for (const id of ['away', 'here']) at.store.sessions.subscribe(id, [{ topic: 'a', qos: 1 }]);
  const pass = async (store: BrokerPersistence, days: number): Promise<void> => {
    store.sessions.online = (id) => id === 'here';
    await at.clock.advance(days * 86_400_000);
    store.sessions.expire();
  };
  await pass(at.store, 4);
  assert.is(at.store.sessions.size, 2);
  await pass(await at.restart(), 3.1);
  assert.equal(
    [...at.store.sessions.all()].map(({ id }) => id),
    ['here'],
  );
  assert.is(at.store.sessions.subscriptionCount, 1);
  assert.equal(
    [...(await at.restart()).sessions.all()].map(({ id }) => id),
    ['here'],
  );
  await at.store.destroy();
});

test('one session too many: the one that is away longest goes', async () => {
  const at = world({ sessions: 2 });
  for (const id of ['first', 'second', 'third']) {
    at.store.sessions.subscribe(id, [{ topic: 'a', qos: 1 }]);
    await at.clock.advance(1_000);
  }
  assert.equal(
    [...at.store.sessions.all()].map(({ id }) => id),
    ['second', 'third'],
  );
  await at.store.destroy();
});

test('wills of an earlier run are kept for publication, those of this run are not handed out, whatever the wall clock says', async () => {
  const at = world();
  await at.store.setup({ id: 'run 1' });
  await at.store.putWill({ id: 'c' }, { topic: 'c/will', payload: Buffer.from('gone'), qos: 1, retain: true });
  assert.equal(await at.store.streamWill({}).toArray(), []);
  const again = await at.restart();
  await again.setup({ id: 'run 2' });
  const [will] = (await again.streamWill({}).toArray()) as { topic: string; payload: Buffer; brokerId: string }[];
  assert.equal([will?.topic, will?.payload.toString(), will?.brokerId], ['c/will', 'gone', 'run 1']);
  await again.delWill({ id: 'c' });
  assert.equal(await (await at.restart()).streamWill({}).toArray(), []);
  await at.store.destroy();
});

test('a file that is no database is moved aside and replaced', () => {
  const file = path.join(tempDir(), 'broker.db');
  writeFileSync(file, 'this is not a database, but it is long enough to be taken for one '.repeat(100));
  const lines: LogLine[] = [];
  const database = openBrokerDatabase(file, createLogger({ clock: new FakeClock(), write: (line) => lines.push(line) }));
  database.close();
  assert.equal(
    lines.map(({ event }) => event),
    ['mqtt.store.unreadable'],
  );
  assert.ok(existsSync(`${file}.unreadable-1`));
});

test('a file that another broker has open is refused by name', () => {
  const file = path.join(tempDir(), 'broker.db');
  const first = openBrokerDatabase(file, silentLogger());
  try {
    openBrokerDatabase(file, silentLogger());
    assert.unreachable();
  } catch (error) {
    assert.ok(isHiveletError(error, 'STORE_LOCKED'));
    assert.match(error.message, /broker\.db is in use/);
  }
  first.close();
});

test('a file of a later version is refused and left as it is', () => {
  const file = path.join(tempDir(), 'mqtt.db');
  const made = openBrokerDatabase(file, silentLogger());
  made.pragma('user_version = 99');
  made.close();
  assert.throws(
    () => openBrokerDatabase(file, silentLogger()),
    (error: unknown) =>
      isHiveletError(error, 'STORE_UNREADABLE') && /mqtt\.db was made by a later version of Hivelet: install/.test(error.message),
  );
});

test.run();
