// timeout: 90s
/**
 * kill -9 of cloudcore during 5,000 writes: what was answered is there, versions only go up, and watchers go on without gap or repeat or
 * are told to list again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configmaps, isKubeError, type KubeObject } from '#cloud/store/kube-api.ts';
import type { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import type { TestProcess } from '../support/processes.ts';
import { createSite, type Site } from '../support/programs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

const WRITES = 5000;
const KILLS = [1500, 3300, 5000];
const CLIENTS = 4;
const OBJECTS_PER_CLIENT = 8;
const WATCHERS = 3;
const NAMESPACE = 'default';
/** Every so many versions of an object it is deleted and made again. */
const LIFE = 9;
const PREFIX = 'crash-';

/** The cloud, killed and started again; who lost it waits for the next one. */
class World {
  readonly #site: Site;
  #cloud: TestProcess | undefined;
  #up: Promise<void> = Promise.resolve();
  /** Version of each answered write -> `name n`. */
  readonly answered = new Map<number, string>();
  /** Answered deletions have no version. */
  deletions = 0;
  kills = 0;
  #highestBefore = 0;

  constructor(site: Site) {
    this.#site = site;
  }

  get writes(): number {
    return this.answered.size + this.deletions;
  }

  get done(): boolean {
    return this.writes >= WRITES;
  }

  get up(): Promise<void> {
    return this.#up;
  }

  async start(): Promise<void> {
    this.#cloud = await this.#site.cloud();
  }

  answer({ metadata, data }: KubeObject): void {
    const version = Number(metadata.resourceVersion);
    assert.not.ok(this.answered.has(version), `version ${String(version)} was given out once`);
    assert.ok(version > this.#highestBefore, 'versions of a restarted server are newer');
    this.answered.set(version, `${metadata.name} ${numberIn(data)}`);
    this.#killWhenDue();
  }

  answerDeletion(): void {
    this.deletions += 1;
    this.#killWhenDue();
  }

  #killWhenDue(): void {
    if (this.writes < (KILLS[this.kills] ?? Infinity)) return;
    this.kills += 1;
    this.#up = this.#restart();
  }

  async #restart(): Promise<void> {
    const killed = this.#cloud;
    killed?.kill();
    await killed?.exited;
    this.#highestBefore = Math.max(...this.answered.keys());
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#up.catch(() => undefined);
    await this.#cloud?.stop();
  }
}

function numberIn(data: unknown): string {
  return (data as { n?: string } | undefined)?.n ?? '';
}

/** One object, written again and again; what it must be is known after each answer, and one of two things after none. */
async function write(world: World, client: KubeClient, name: string): Promise<{ name: string; n: number | undefined }> {
  const where = { namespace: NAMESPACE, name };
  let n = 0;
  let there = false;
  const step = async (): Promise<void> => {
    if (there && n % LIFE === 0) {
      await client.delete(configmaps, where);
      there = false;
      return world.answerDeletion();
    }
    const data = { n: String(n + 1) };
    const written = there
      ? await client.patch(configmaps, where, { type: 'merge', body: { data } })
      : await client.create(configmaps, { metadata: where, data });
    [n, there] = [n + 1, true];
    world.answer(written);
  };
  while (!world.done) {
    try {
      await step();
    } catch (error) {
      if (error instanceof assert.Assertion) throw error;
      assert.not.ok(isKubeError(error, 'Conflict', 'NotFound', 'AlreadyExists'), `${name}: ${String(error)}`);
      await world.up;
      const found = await read(client, where);
      const wasDeleted = there && n % LIFE === 0 && found === undefined;
      const possible: (number | undefined)[] = [there ? n : undefined, there && n % LIFE === 0 ? undefined : n + 1];
      assert.ok(possible.includes(found), `${name} is ${String(found)}, answered ${String(n)} ${there ? '' : '(deleted)'}`);
      if (!wasDeleted) n = found ?? n;
      there = found !== undefined;
    }
  }
  return { name, n: there ? n : undefined };
}

/** `n` of the object; undefined when there is none. */
async function read(client: KubeClient, where: { namespace: string; name: string }): Promise<number | undefined> {
  try {
    return Number(numberIn((await client.get(configmaps, where)).data));
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** From one list to the next. */
interface Stream {
  from: number;
  /** In order of arrival. */
  events: { version: number; type: string; text: string }[];
}

class Watcher {
  readonly streams: Stream[] = [];
  readonly mirror = new Map<string, string>();
  readonly #client: KubeClient;
  readonly #world: World;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  expired = 0;

  constructor(client: KubeClient, world: World) {
    this.#client = client;
    this.#world = world;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('enough'));
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#stream();
      } catch (error) {
        if (isKubeError(error, 'Expired')) this.expired += 1;
        else await this.#world.up;
      }
    }
  }

  /** A list, then the watch, resumed until the server says that the version is forgotten. */
  async #stream(): Promise<void> {
    const { signal } = this.#stop;
    const list = await this.#client.list(configmaps, { namespace: NAMESPACE, signal });
    this.mirror.clear();
    for (const { metadata, data } of list.items) this.mirror.set(metadata.name, numberIn(data));
    const stream: Stream = { from: Number(list.resourceVersion), events: [] };
    this.streams.push(stream);
    let last = list.resourceVersion;
    for (;;) {
      try {
        for await (const event of this.#client.watch(configmaps, { namespace: NAMESPACE, resourceVersion: last, signal })) {
          if (event.type === 'bookmark') continue;
          const { metadata, data } = event.object;
          last = metadata.resourceVersion ?? last;
          stream.events.push({ version: Number(last), type: event.type, text: `${metadata.name} ${numberIn(data)}` });
          if (event.type === 'deleted') this.mirror.delete(metadata.name);
          else this.mirror.set(metadata.name, numberIn(data));
        }
      } catch (error) {
        if (signal.aborted || isKubeError(error, 'Expired')) throw error;
        await this.#world.up;
      }
    }
  }
}

function checkStream({ from, events }: Stream, world: World): void {
  const versions = events.map(({ version }) => version);
  assert.ok(
    versions.every((version, index) => version > (versions[index - 1] ?? from)),
    'each version once, ascending',
  );
  const seen = new Map(events.filter(({ type }) => type !== 'deleted').map(({ version, text }) => [version, text]));
  const last = versions.at(-1) ?? from;
  for (const [version, text] of world.answered) {
    if (version > from && version <= last)
      assert.is(seen.get(version), text, `version ${String(version)} of a stream from ${String(from)}`);
  }
}

test('kill -9 of cloudcore during 5,000 writes loses nothing that was answered, and no watcher is fooled', async () => {
  const site = await createSite(tempDir());
  const world = new World(site);
  const clients: KubeClient[] = [];
  const connect = (): KubeClient => {
    const client = site.kube();
    clients.push(client);
    return client;
  };
  try {
    await world.start();
    const watchers = Array.from({ length: WATCHERS }, () => new Watcher(connect(), world));
    await until(() => watchers.every(({ streams }) => streams.length > 0), { what: 'the watchers' });
    const writing = Array.from({ length: CLIENTS }, (_each, index) => {
      const client = connect();
      return Array.from({ length: OBJECTS_PER_CLIENT }, (_object, at) => write(world, client, `${PREFIX}${String(index)}-${String(at)}`));
    });
    const written = await Promise.all(writing.flat());
    await world.up;
    assert.is(world.kills, KILLS.length);

    const { items } = await connect().list(configmaps, { namespace: NAMESPACE });
    const final = new Map(items.map(({ metadata, data }) => [metadata.name, numberIn(data)]));
    for (const { name, n } of written) assert.is(final.get(name), n === undefined ? undefined : String(n), name);
    for (const { metadata } of items) {
      const text = world.answered.get(Number(metadata.resourceVersion));
      if (text !== undefined) assert.is(text.split(' ')[0], metadata.name);
    }

    const same = (mirror: ReadonlyMap<string, string>): boolean =>
      mirror.size === final.size && [...final].every(([name, n]) => mirror.get(name) === n);
    await until(() => watchers.every(({ mirror }) => same(mirror)), { what: 'all watchers to have seen the end' });
    for (const watcher of watchers) {
      for (const stream of watcher.streams) checkStream(stream, world);
      assert.ok(watcher.expired >= KILLS.length - 1, 'a restart has no past: they were told');
    }
    const events = watchers.reduce((sum, { streams }) => sum + streams.reduce((of, stream) => of + stream.events.length, 0), 0);
    process.stdout.write(`${String(world.writes)} writes answered, ${String(world.kills)} kills, ${String(events)} events seen\n`);
    await Promise.all(watchers.map((watcher) => watcher.stop()));
  } finally {
    for (const client of clients) client.close();
    await world.stop();
  }
});

test.run();
