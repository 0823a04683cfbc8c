/** Owns the proof of one publisher's order: commit, acknowledge, forward, results. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { setImmediate as turn } from 'node:timers/promises';
import { PublishQueue } from '#edge/broker/publish-queue.ts';
import type { AfterForward, IncomingPublish } from '#edge/broker/publish.ts';

interface Commit {
  topic: string;
  resolve(after?: AfterForward): void;
  reject(error: Error): void;
}

function world(): { queue: PublishQueue; events: string[]; commits: Commit[]; send(topic: string): void } {
  const events: string[] = [];
  const commits: Commit[] = [];
  const queue = new PublishQueue({
    ingest: ({ topic }) => {
      events.push(`in ${topic}`);
      if (topic.startsWith('free')) return undefined;
      if (topic.startsWith('throw')) throw new Error('handler broke');
      return new Promise((resolve, reject) => commits.push({ topic, resolve, reject }));
    },
    forward: ({ topic }) => void events.push(`forward ${topic}`),
    settled: () => void events.push('settled'),
    failed: ({ topic }, error) => void events.push(`failed ${topic}: ${(error as Error).message}`),
  });
  const send = (topic: string): void =>
    queue.push(publish(topic), { accepted: () => void events.push(`ack ${topic}`), refused: () => void events.push(`refused ${topic}`) });
  return { queue, events, commits, send };
}

function publish(topic: string): IncomingPublish {
  return { topic, payload: Buffer.from('12345'), qos: 1, retain: false, clientId: 'c' };
}

test('a publish that is not ours is acknowledged and forwarded at once', () => {
  const { send, events, queue } = world();
  send('free');
  assert.equal(events, ['in free', 'ack free', 'forward free', 'settled']);
  assert.equal([queue.size, queue.bytes], [0, 0]);
});

test('all publishes are handed in before the first commit; acknowledged and forwarded in order of arrival', async () => {
  const { send, events, commits, queue } = world();
  for (const topic of ['a', 'b', 'free', 'c']) send(topic);
  assert.equal(events, ['in a', 'in b', 'in free', 'in c']);
  assert.equal([queue.size, queue.bytes], [4, 20]);
  commits[2]?.resolve();
  commits[1]?.resolve();
  await turn();
  assert.is(events.length, 4, 'nothing overtakes a');
  commits[0]?.resolve();
  await turn();
  assert.equal(events.slice(4), ['ack a', 'forward a', 'ack b', 'forward b', 'ack free', 'forward free', 'ack c', 'forward c', 'settled']);
});

test('commits of one batch are answered in one go', async () => {
  const { send, events, commits } = world();
  for (let i = 0; i < 64; i++) send(`t${i}`);
  for (const commit of commits) commit.resolve();
  await turn();
  assert.is(events.filter((event) => event === 'settled').length, 1);
});

test('results run after the publish was forwarded', async () => {
  const { send, events, commits } = world();
  send('a');
  send('b');
  commits[0]?.resolve(() => void events.push('result a'));
  commits[1]?.resolve(() => void events.push('result b'));
  await turn();
  assert.equal(events.slice(2), ['ack a', 'forward a', 'result a', 'ack b', 'forward b', 'result b', 'settled']);
});

test('a failed commit is neither acknowledged nor forwarded and does not hold up later ones', async () => {
  const { send, events, commits } = world();
  for (const topic of ['a', 'throw', 'b']) send(topic);
  commits[0]?.reject(new Error('disk full'));
  commits[1]?.resolve();
  await turn();
  assert.equal(events.slice(3), [
    'refused a',
    'failed a: disk full',
    'refused throw',
    'failed throw: handler broke',
    'ack b',
    'forward b',
    'settled',
  ]);
});

test('a publish made while forwarding comes after those that wait', () => {
  const events: string[] = [];
  const queue: PublishQueue = new PublishQueue({
    ingest: undefined,
    forward: ({ topic }) => {
      events.push(topic);
      if (topic === 'a') for (const next of ['b', 'c']) queue.push(publish(next));
    },
    failed: () => undefined,
  });
  queue.push(publish('a'));
  assert.equal(events, ['a', 'b', 'c']);
});

test('what waits is refused on close, and so is everything after', () => {
  const { send, events, queue } = world();
  send('a');
  queue.close(new Error('stopped'));
  send('b');
  assert.equal(events, ['in a', 'refused a', 'refused b']);
  assert.is(queue.size, 0);
});

test.run();
