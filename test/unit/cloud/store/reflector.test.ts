/** The reflector: a synced copy through cut links, time-outs and compaction. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { KubeError, configmaps, type KubeObject, type WatchEvent } from '#cloud/store/kube-api.ts';
import { RateLimit } from '#cloud/store/kubeconfig/rate-limit.ts';
import { Reflector } from '#cloud/store/kubeconfig/reflector.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function object(name: string, version: number, uid = `uid-${name}`): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', uid, resourceVersion: String(version) } };
}

const expired = (): KubeError =>
  new KubeError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Expired', code: 410 });

interface Script {
  /** One answer per list request: objects, or what to throw. */
  lists: (KubeObject[] | Error)[];
  /** One answer per watch: events, then an end (or what to throw); `hang` stays open. */
  watches: { events: WatchEvent[]; then?: Error | 'hang' }[];
}

class ScriptedApi {
  readonly asked: string[] = [];
  readonly #script: Script;

  constructor(script: Script) {
    this.#script = script;
  }

  async list(): Promise<{ resourceVersion: string; items: KubeObject[] }> {
    const answer = this.#script.lists.shift();
    this.asked.push('list');
    if (answer === undefined) throw new Error('no more lists');
    if (answer instanceof Error) throw answer;
    return { resourceVersion: '100', items: answer };
  }

  async *watch(
    _type: unknown,
    { resourceVersion = '', signal }: { resourceVersion?: string; signal?: AbortSignal },
  ): AsyncGenerator<WatchEvent> {
    this.asked.push(`watch ${resourceVersion}`);
    const { events, then } = this.#script.watches.shift() ?? { events: [], then: 'hang' as const };
    yield* events;
    if (then instanceof Error) throw then;
    if (then === 'hang') await new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
  }
}

interface Running {
  api: ScriptedApi;
  clock: FakeClock;
  reflector: Reflector;
  seen: string[];
}

function start(script: Script, keep?: (object: KubeObject) => KubeObject | undefined): Running {
  const api = new ScriptedApi(script);
  const clock = new FakeClock();
  const seen: string[] = [];
  const reflector = new Reflector({
    api,
    type: configmaps,
    clock,
    log: silentLogger(),
    ...(keep === undefined ? {} : { keep }),
    onUpsert: (previous, current) => {
      seen.push(`${previous?.metadata.resourceVersion ?? '-'}>${current.metadata.name}@${current.metadata.resourceVersion ?? ''}`);
      if (current.metadata.name === 'poison') throw new Error('a handler that throws');
    },
    onDelete: (last) => seen.push(`x${last.metadata.name}`),
  });
  reflector.start();
  return { api, clock, reflector, seen };
}

test('lists, then follows; a change carries the state before it', async () => {
  const { clock, reflector, seen } = start({
    lists: [[object('a', 1), object('poison', 2)]],
    watches: [
      {
        events: [
          { type: 'modified', object: object('a', 101) },
          { type: 'added', object: object('b', 102) },
          { type: 'deleted', object: object('a', 103) },
        ],
        then: 'hang',
      },
    ],
  });
  assert.is(reflector.hasSynced, false);
  await reflector.synced();
  await clock.settle();
  assert.equal(seen, ['->a@1', '->poison@2', '1>a@101', '->b@102', 'xa']);
  assert.equal([...reflector.objects.keys()], ['default/poison', 'default/b']);
  await reflector.stop();
});

test('managedFields are not held, of listed objects nor of changed ones', async () => {
  const managed = (name: string, version: number): KubeObject => {
    const made = object(name, version);
    const entry = { manager: 'a', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:data': {} } } as const;
    return { ...made, metadata: { ...made.metadata, managedFields: [entry] } };
  };
  const { reflector } = start({
    lists: [[managed('a', 1)]],
    watches: [{ events: [{ type: 'added', object: managed('b', 101) }], then: 'hang' }],
  });
  await reflector.synced();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal([...reflector.objects.values()], [object('a', 1), object('b', 101)]);
  await reflector.stop();
});

test('a watch that ends is resumed from the last version, bookmarks included', async () => {
  const { api, clock, reflector } = start({
    lists: [[]],
    watches: [
      { events: [{ type: 'added', object: object('a', 101) }] },
      { events: [{ type: 'bookmark', resourceVersion: '150' }] },
      { events: [], then: 'hang' },
    ],
  });
  await clock.advance(60_000);
  assert.equal(api.asked, ['list', 'watch 100', 'watch 101', 'watch 150']);
  await reflector.stop();
});

test('after 410 it lists again, and reports only what differs', async () => {
  const { api, clock, reflector, seen } = start({
    lists: [
      [object('same', 1), object('changed', 2), object('gone', 3), object('recreated', 4)],
      [object('same', 1), object('changed', 5), object('new', 6), object('recreated', 7, 'another')],
    ],
    watches: [
      { events: [], then: expired() },
      { events: [], then: 'hang' },
    ],
  });
  await clock.settle();
  seen.length = 0;
  await clock.advance(60_000);
  assert.equal(api.asked, ['list', 'watch 100', 'list', 'watch 100']);
  assert.equal(seen, ['xgone', '2>changed@5', '->new@6', 'xrecreated', '->recreated@7']);
  await reflector.stop();
});

test('a cut link is waited out with growing pauses, without listing again', async () => {
  const cut = (): Script['watches'][number] => ({ events: [], then: new Error('socket hang up') });
  const { api, clock, reflector } = start({ lists: [[object('a', 1)]], watches: [cut(), cut(), cut(), { events: [], then: 'hang' }] });
  await clock.advance(120_000);
  assert.equal(api.asked, ['list', 'watch 100', 'watch 100', 'watch 100', 'watch 100']);
  assert.is(reflector.hasSynced, true);
  await reflector.stop();
});

test('a server that is down at the start delays the sync, and waiting for it can be given up', async () => {
  const { clock, reflector } = start({ lists: [new Error('connection refused'), [object('a', 1)]], watches: [] });
  await clock.settle();
  assert.is(reflector.hasSynced, false);
  await reflector.synced(AbortSignal.abort(new Error('enough'))).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  );
  await clock.advance(30_000);
  assert.is(reflector.hasSynced, true);
  await reflector.stop();
});

test('after stop no handler is called', async () => {
  const { clock, reflector, seen } = start({ lists: [[object('a', 1)]], watches: [{ events: [], then: 'hang' }] });
  await clock.settle();
  await reflector.stop();
  await reflector.stop();
  assert.equal(seen, ['->a@1']);
});

test('a burst goes at once, the rest at the given rate', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ qps: 10, burst: 3, clock });
  const sentAtMs: number[] = [];
  for (let count = 0; count < 6; count += 1) void limit.take().then(() => sentAtMs.push(clock.monotonic()));
  await clock.advance(1000);
  assert.equal(sentAtMs, [0, 0, 0, 100, 200, 300]);
  const giveUp = new AbortController();
  const waiting = [1, 2, 3, 4, 5].map(() =>
    limit.take(giveUp.signal).then(
      () => 'sent',
      () => 'given up',
    ),
  );
  await clock.settle();
  giveUp.abort(new Error('stop'));
  assert.equal((await Promise.all(waiting)).filter((each) => each === 'given up').length, 2);
});

/** A reflector that holds only what is in `wanted`, with a watch that is told what to say. */
async function partial(listed: KubeObject[]) {
  const wanted = new Set<string>(['a']);
  const queue: (WatchEvent | Error)[] = [];
  let wake: () => void = () => undefined;
  const lists: KubeObject[][] = [listed];
  let version = 100;
  const seen: string[] = [];
  const clock = new FakeClock();
  const reflector = new Reflector({
    api: {
      list: async () => ({ resourceVersion: String(version), items: lists.at(-1) ?? [] }),
      watch: async function* (_type, { signal } = {}) {
        signal?.addEventListener('abort', () => wake());
        while (signal?.aborted !== true) {
          const event = queue.shift();
          if (event instanceof Error) throw event;
          if (event !== undefined) yield event;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      },
    },
    type: configmaps,
    clock,
    log: silentLogger(),
    keep: (each) => (wanted.has(each.metadata.name) ? each : undefined),
    onUpsert: (_previous, current) => seen.push(`${current.metadata.name}@${current.metadata.resourceVersion ?? ''}`),
    onDelete: (last) => seen.push(`x${last.metadata.name}`),
  });
  reflector.start();
  await clock.settle();
  const tell = async (event: WatchEvent | Error): Promise<void> => {
    queue.push(event);
    wake();
    await clock.settle();
  };
  const relist = async (at: number, objects: KubeObject[]): Promise<void> => {
    version = at;
    lists.push(objects);
    await tell(expired());
    await clock.advance(1000);
  };
  return { wanted, tell, relist, reflector, seen };
}

test('only what is wanted is held; what is wanted later is loaded', async () => {
  const { wanted, tell, reflector, seen } = await partial([object('a', 1), object('b', 2)]);
  await tell({ type: 'modified', object: object('b', 101) });
  assert.equal([seen, [...reflector.objects.keys()], reflector.version], [['a@1'], ['default/a'], 101]);
  wanted.add('b');
  await reflector.load(async () => [object('b', 101)]);
  await tell({ type: 'modified', object: object('b', 105) });
  wanted.delete('b');
  reflector.drop('default/b');
  await tell({ type: 'modified', object: object('b', 106) });
  await tell({ type: 'deleted', object: object('b', 107) });
  assert.equal([seen, [...reflector.objects.keys()]], [['a@1', 'b@101', 'b@105'], ['default/a']]);
  await reflector.stop();
});

test('a load never brings back what the watch has told to be older or gone', async () => {
  const { wanted, tell, relist, reflector, seen } = await partial([]);
  wanted.add('b').add('c').add('d');
  await reflector.load(async () => {
    await tell({ type: 'modified', object: object('a', 110) });
    await tell({ type: 'added', object: object('b', 111) });
    await tell({ type: 'deleted', object: object('b', 112) });
    return [object('a', 109), object('b', 111), object('c', 120)];
  });
  assert.equal(seen, ['a@110', 'b@111', 'xb', 'c@120'], 'neither a@109 nor b again');
  await tell({ type: 'modified', object: object('c', 115) });
  await tell({ type: 'deleted', object: object('c', 116, 'uid-of-another') });
  assert.is(reflector.objects.get('default/c')?.metadata.resourceVersion, '120', 'the watch lags behind the load');
  await relist(118, [object('a', 110)]);
  assert.is(reflector.objects.get('default/c')?.metadata.resourceVersion, '120', 'the list is older than the load');
  await reflector.load(async () => {
    await relist(130, [object('a', 110)]);
    return [object('d', 125)];
  });
  assert.equal([...reflector.objects.keys()], ['default/a'], 'a list that lacks them is newer');
  await reflector.stop();
});

test.run();
