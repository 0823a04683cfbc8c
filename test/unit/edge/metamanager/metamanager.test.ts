/** Owns the proof that an object is acknowledged after it is stored, and that a failure is no acknowledgement (beehive-message.md section 8). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Bus } from '#beehive/bus.ts';
import type { Committer, Job } from '#beehive/commit.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { createMessage, type BeehiveMessage } from '#wire/message.ts';
import { MetaManager } from '#edge/metamanager/metamanager.ts';
import type { MetaTable } from '#edge/store/meta-table.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

/** Jobs wait until the test settles them. */
class Jobs implements Committer {
  readonly stats = { batches: 0, jobs: 0, failures: 0 };
  readonly waiting: Job[] = [];

  enqueue(job: Job): void {
    this.waiting.push(job);
  }

  flush(): void {
    for (const job of this.waiting.splice(0)) {
      job.run();
      job.done();
    }
  }

  fail(): void {
    for (const job of this.waiting.splice(0)) job.failed(new HiveletError('STORE_FULL'));
  }
}

async function rig(ours = true) {
  const clock = new FakeClock();
  const bus = new Bus<BeehiveMessage>(clock);
  const rows = new Map<string, string>();
  const meta: MetaTable = {
    put: (key, type, value) => void rows.set(`${key} (${type})`, value),
    get: (key) => rows.get(key),
    delete: (key) => void [...rows.keys()].filter((name) => name.startsWith(`${key} (`)).forEach((name) => rows.delete(name)),
    list: () => [],
  };
  const jobs = new Jobs();
  const manager = new MetaManager({ bus, meta, committer: jobs, peerIsOurs: () => ours });
  const stop = new AbortController();
  bus.addModule('websocket', { capacity: 10_000 });
  const answers: string[] = [];
  const read = async (): Promise<void> => {
    for (;;) {
      const { header, route, content } = await bus.receive('websocket', stop.signal);
      answers.push(`${header.parent_msg_id ?? ''} ${route.operation} ${String(content)}`);
    }
  };
  read().catch(() => undefined);
  await manager.start({ clock, log: silentLogger(), signal: stop.signal, failed: () => undefined });
  const send = (
    id: string,
    verb: string,
    { resource = 'default/configmap/c', content = { a: 1 } }: { resource?: string; content?: unknown } = {},
  ): void => {
    const message = createMessage(0, { source: 'edgecontroller', group: 'resource', operation: verb, resource, content });
    void bus.send('metaManager', { ...message, header: { ...message.header, msg_id: id } });
  };
  const close = async (): Promise<void> => {
    stop.abort();
    await manager.stop();
    bus.close();
  };
  return { clock, jobs, rows, answers, send, close };
}

test('an object is acknowledged after the commit, not before', async () => {
  const { clock, jobs, rows, answers, send, close } = await rig();
  send('1', 'insert');
  await clock.settle();
  assert.equal(answers, []);
  jobs.flush();
  await clock.settle();
  assert.equal(answers, ['1 response OK']);
  assert.equal([...rows], [['default/configmap/c (configmap)', '{"a":1}']]);
  await close();
});

test('insert of a key that exists replaces it (defect D2), delete removes it', async () => {
  const { clock, jobs, rows, send, close } = await rig();
  for (const [id, verb, value] of [
    ['1', 'insert', 1],
    ['2', 'insert', 2],
  ] as const)
    send(id, verb, { resource: 'default/secret/s', content: value });
  await clock.settle();
  jobs.flush();
  assert.equal([...rows.values()], ['2']);
  send('3', 'delete', { resource: 'default/secret/s' });
  await clock.settle();
  jobs.flush();
  assert.is(rows.size, 0);
  await close();
});

test('a failure of the store is answered with an error: the cloud sends it again', async () => {
  const { clock, jobs, answers, send, close } = await rig(false);
  send('1', 'update');
  await clock.settle();
  jobs.fail();
  await clock.settle();
  assert.equal(answers, ['1 error the disk is full']);
  await close();
});

test('objects do not wait for each other’s commits, within a bound', async () => {
  const { clock, jobs, answers, send, close } = await rig();
  for (let number = 0; number < 1000; number++) send(String(number), 'update', { resource: `default/configmap/c${String(number)}` });
  await clock.settle();
  assert.is(jobs.waiting.length, 256);
  for (let round = 0; round < 10; round++) {
    jobs.flush();
    await clock.settle();
  }
  assert.equal(
    answers.map((text) => Number.parseInt(text, 10)),
    Array.from({ length: 1000 }, (_, number) => number),
  );
  await close();
});

test('what nobody knows is refused to our cloud and dropped from a KubeEdge one', async () => {
  for (const [ours, wanted] of [
    [true, ['1 error nothing is known of query default/configmap/c', '2 error nothing is known of update ']],
    [false, []],
  ] as const) {
    const { clock, answers, send, close } = await rig(ours);
    send('1', 'query');
    send('2', 'update', { resource: '' });
    await clock.settle();
    assert.equal(answers, [...wanted]);
    await close();
  }
});

test.run();
