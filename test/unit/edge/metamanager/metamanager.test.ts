/** Owns the proof that an object is acknowledged after it is stored, and that a failure is no acknowledgement (beehive-message.md section 8). */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Bus } from '#beehive/bus.ts';
import type { Committer, Job } from '#beehive/commit.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { createMessage, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { MetaManager } from '#edge/metamanager/metamanager.ts';
import type { ObjectChange } from '#edge/metamanager/stored-objects.ts';
import type { MetaTable } from '#edge/store/meta-table.ts';
import type { ObjectVersion, ObjectVersionTable } from '#edge/store/object-versions.ts';
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
    get: (key) => [...rows].find(([name]) => name.startsWith(`${key} (`))?.[1],
    delete: (key) => void [...rows.keys()].filter((name) => name.startsWith(`${key} (`)).forEach((name) => rows.delete(name)),
    list: (type) => [...rows].flatMap(([name, value]) => (name.endsWith(` (${type})`) ? [{ key: name.split(' ')[0] ?? '', value }] : [])),
  };
  const jobs = new Jobs();
  const known = new Map<string, ObjectVersion>();
  const versions: ObjectVersionTable = {
    get: (key) => known.get(key),
    put: (key, version) => void known.set(key, version),
    forget: (key) => void known.delete(key),
    list: () => [...known].flatMap(([key, version]) => (version.gone ? [] : [{ key, ...version }])),
  };
  const said: BeehiveMessage[] = [];
  const cloud = {
    peer: ours ? ('hivelet' as const) : ('kubeedge' as const),
    clusterUid: ours ? 'cluster-1' : '',
    takesObjects: ours,
    message: (fields: NewMessage) => createMessage(0, fields),
    send: (fields: NewMessage) => void said.push(createMessage(0, fields)),
    offer: ({ make }: WindowEntry) => said.push(...[make()].filter((message) => message !== undefined)) > 0,
  };
  const manager = new MetaManager({ bus, meta, versions, committer: jobs, cloud });
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
  const connect = async (): Promise<void> => {
    const route = { source: 'edgehub', group: 'meta', operation: 'connect', resource: 'node/connection', content: 'cloud_connected' };
    await bus.send('metaManager', createMessage(0, route));
    await clock.settle();
  };
  const close = async (): Promise<void> => {
    stop.abort();
    await manager.stop();
    bus.close();
  };
  return { clock, jobs, rows, answers, send, close, cloud, said, manager, connect };
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

const KEY = 'default/configmap/c';
const configmap = (uid: string, version: number, value = String(version)): object => ({
  kind: 'ConfigMap',
  metadata: { name: 'c', namespace: 'default', uid, resourceVersion: String(version) },
  data: { value },
});

test('an older version is acknowledged and not taken, also after a deletion; what is newer is', async () => {
  const { clock, jobs, rows, answers, send, close, manager } = await rig();
  const heard: ObjectChange[] = [];
  const stop = manager.objects.onChange((change) => void heard.push(change));
  const say = async (verb: string, uid: string, version: number): Promise<string> => {
    send(String(answers.length), verb, { content: configmap(uid, version) });
    await clock.settle();
    jobs.flush();
    await clock.settle();
    const stored = manager.objects.get('configmap', { namespace: 'default', name: 'c' }) as { data: { value: string } } | undefined;
    return stored?.data.value ?? 'none';
  };
  assert.equal(
    [
      await say('insert', 'a', 10),
      await say('update', 'a', 9),
      await say('update', 'a', 10),
      await say('update', 'a', 12),
      await say('delete', 'b', 13),
      await say('delete', 'a', 13),
      await say('insert', 'a', 12),
      await say('insert', 'b', 14),
      await say('delete', 'a', 15),
      await say('insert', 'a', 12),
    ],
    ['10', '10', '10', '12', '12', 'none', 'none', '14', '14', '14'],
  );
  assert.equal(
    answers,
    Array.from({ length: 10 }, (_, index) => `${String(index)} response OK`),
  );
  assert.is(rows.size, 1);
  assert.equal(
    heard.map(({ key, object }) => [key, (object?.['data'] as { value?: string } | undefined)?.value]),
    [
      [KEY, '10'],
      [KEY, '12'],
      [KEY, undefined],
      [KEY, '14'],
    ],
  );
  stop();
  await close();
});

test('with another cluster it starts afresh, and so it does with a KubeEdge cloud', async () => {
  const { clock, jobs, rows, send, close, cloud } = await rig();
  const say = async (id: string, version: number): Promise<string> => {
    send(id, 'update', { content: configmap('a', version) });
    await clock.settle();
    jobs.flush();
    return JSON.stringify(JSON.parse([...rows.values()][0] ?? 'null')).replace(/.*"value":"(\d+)".*/, '$1');
  };
  assert.is(await say('1', 100), '100');
  cloud.clusterUid = 'cluster-2';
  assert.is(await say('2', 5), '5');
  assert.is(await say('3', 4), '5');
  cloud.clusterUid = '';
  cloud.peer = 'kubeedge';
  assert.is(await say('4', 1), '1');
  await close();
});

test('our cloud hears after each connect what is there, with versions of its own cluster only', async () => {
  const { clock, jobs, send, close, cloud, said, connect } = await rig();
  send('1', 'insert', { content: configmap('a', 10) });
  send('2', 'insert', { resource: 'default/configmap/d', content: configmap('d', 11) });
  send('3', 'delete', { resource: 'default/configmap/d', content: configmap('d', 12) });
  await clock.settle();
  jobs.flush();
  await connect();
  cloud.clusterUid = 'cluster-2';
  await connect();
  assert.equal(
    said.map(({ route, content }) => [route.resource, content]),
    [
      ['objects/held', { cluster_uid: 'cluster-1', objects: { [KEY]: ['a', '10'] } }],
      ['objects/held', { cluster_uid: 'cluster-2', objects: { [KEY]: ['a', ''] } }],
    ],
  );
  cloud.takesObjects = false;
  await connect();
  assert.is(said.length, 2);
  await close();
});

test('a pod on its way out is said to be over, and again after a connect', async () => {
  const { clock, jobs, send, close, said, connect } = await rig();
  const pod = (more: object): object => ({ metadata: { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '5', ...more } });
  send('1', 'insert', { resource: 'default/pod/web', content: pod({}) });
  send('2', 'update', { resource: 'default/pod/web', content: pod({ resourceVersion: '6', deletionTimestamp: '2026-01-01T00:00:00Z' }) });
  await clock.settle();
  jobs.flush();
  await clock.settle();
  await connect();
  const ends = said
    .filter(({ route }) => route.operation === 'delete')
    .map(({ route, content }) => [route.source, route.resource, content]);
  assert.equal(ends, [
    ['edged', 'default/pod/web', 'u'],
    ['edged', 'default/pod/web', 'u'],
  ]);
  await close();
});

test.run();
