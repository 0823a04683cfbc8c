/** Owner references: what goes with its owner, what stays, in which order, and across a restart. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import type { KubeObject, OwnerReference, ResourceType } from '#cloud/store/kube-api.ts';
import { configmaps, customResourceDefinitions, namespaces, nodes, secrets } from '#cloud/store/kube-api.ts';
import { startApiServer, type TestApiServer } from '../support/api-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { until } from '../support/until.ts';

const gadgets: ResourceType = { group: 'probe.io', version: 'v1', plural: 'gadgets', kind: 'Gadget', namespaced: true };

interface World {
  api: TestApiServer;
  clock: FakeClock;
  lines: LogLine[];
}

async function open(dataDir?: string): Promise<World> {
  const clock = new FakeClock();
  const lines: LogLine[] = [];
  const log = createLogger({ clock, write: (line) => void lines.push(line) });
  return { clock, lines, api: await startApiServer({ clock, log, ...(dataDir === undefined ? {} : { dataDir }) }) };
}

async function inWorld(play: (world: World) => Promise<void>): Promise<void> {
  const world = await open();
  try {
    await play(world);
  } finally {
    await world.api.close();
  }
}

/** Waits until exactly these of the objects `type` in `default` are left, while time passes. */
async function left({ api, clock }: World, type: ResourceType, expected: readonly string[]): Promise<void> {
  let names: string[] = [];
  const probe = async (): Promise<boolean> => {
    await clock.advance(1000);
    const { items } = await api.client.list(type, { namespace: 'default' });
    names = items.map(({ metadata }) => metadata.name);
    return JSON.stringify(names) === JSON.stringify(expected);
  };
  await until(probe, { what: `${type.plural} ${expected.join(', ') || 'none'}`, deadlineMs: 5000 }).catch((error: unknown) => {
    throw new Error(`${String(error)}; there are ${names.join(', ')}`);
  });
}

/** Lets the collector look at everything that waits. */
async function settled({ clock, api }: World): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    await clock.advance(1000);
    await api.client.list(configmaps, { namespace: 'default' });
  }
}

function create(
  { api }: World,
  metadata: string | { name: string; finalizers?: string[] },
  owners?: OwnerReference[],
): Promise<KubeObject> {
  const given = typeof metadata === 'string' ? { name: metadata } : metadata;
  return api.client.create(configmaps, {
    metadata: { ...given, namespace: 'default', ...(owners === undefined ? {} : { ownerReferences: owners }) },
  });
}

function by({ apiVersion, kind, metadata }: KubeObject, more: Partial<OwnerReference> = {}): OwnerReference {
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? '', ...more };
}

function remove({ api }: World, name: string, propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'): Promise<void> {
  return api.client.delete(configmaps, { namespace: 'default', name }, propagationPolicy === undefined ? {} : { propagationPolicy });
}

const finalizersOf = async ({ api }: World, name: string): Promise<string[] | undefined> =>
  (await api.client.get(configmaps, { namespace: 'default', name })).metadata.finalizers;

test('dependents go after their owner, and theirs after them', () =>
  inWorld(async (world) => {
    const owner = await create(world, 'owner');
    const child = await create(world, 'child', [by(owner)]);
    await create(world, 'grandchild', [by(child)]);
    await create(world, 'stranger');
    await remove(world, 'owner');
    await left(world, configmaps, ['stranger']);
  }));

test('an object with two owners stays until both are gone, without the reference to the first', () =>
  inWorld(async (world) => {
    const first = await create(world, 'first');
    const second = await create(world, 'second');
    await create(world, 'shared', [by(first), by(second)]);
    await remove(world, 'first', 'Background');
    await until(
      async () => {
        await world.clock.advance(1000);
        const { metadata } = await world.api.client.get(configmaps, { namespace: 'default', name: 'shared' });
        return metadata.ownerReferences?.length === 1 && metadata.ownerReferences[0]?.name === 'second';
      },
      { what: 'the reference to go' },
    );
    await remove(world, 'second');
    await left(world, configmaps, []);
  }));

test('Orphan keeps the dependents and takes the references away', () =>
  inWorld(async (world) => {
    const owner = await create(world, 'owner');
    await create(world, 'child', [by(owner)]);
    await remove(world, 'owner', 'Orphan');
    assert.equal(await finalizersOf(world, 'owner'), ['orphan']);
    await left(world, configmaps, ['child']);
    await settled(world);
    const child = await world.api.client.get(configmaps, { namespace: 'default', name: 'child' });
    assert.is(child.metadata.ownerReferences, undefined);
  }));

test('Foreground keeps the owner until the dependents that block it are gone', () =>
  inWorld(async (world) => {
    const owner = await create(world, 'owner');
    await create(world, { name: 'held', finalizers: ['probe.io/hold'] }, [by(owner, { blockOwnerDeletion: true })]);
    await create(world, 'free', [by(owner)]);
    await remove(world, 'owner', 'Foreground');
    assert.equal(await finalizersOf(world, 'owner'), ['foregroundDeletion']);
    await left(world, configmaps, ['held', 'owner']);
    await settled(world);
    const held = await world.api.client.get(configmaps, { namespace: 'default', name: 'held' });
    assert.ok(held.metadata.deletionTimestamp !== undefined, 'it waits for its own finalizer');
    await world.api.client.patch(
      configmaps,
      { namespace: 'default', name: 'held' },
      { type: 'merge', body: { metadata: { finalizers: null } } },
    );
    await left(world, configmaps, []);
  }));

test('Foreground goes down the tree, the leaves first, and a circle does not hold', () =>
  inWorld(async (world) => {
    const root = await create(world, 'root');
    const branch = await create(world, 'branch', [by(root, { blockOwnerDeletion: true })]);
    await create(world, 'leaf', [by(branch, { blockOwnerDeletion: true })]);
    const gone: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of world.api.client.watch(configmaps, { namespace: 'default', resourceVersion: '0', signal: stop.signal })) {
        if (event.type === 'deleted') gone.push(event.object.metadata.name);
      }
    })().catch(() => undefined);
    await remove(world, 'root', 'Foreground');
    await left(world, configmaps, []);
    await until(() => gone.length === 3, { what: 'three deletions' });
    assert.equal(gone, ['leaf', 'branch', 'root']);
    stop.abort(new Error('enough'));
    await watching;

    const a = await create(world, 'a');
    const b = await create(world, 'b', [by(a, { blockOwnerDeletion: true })]);
    const merge = { type: 'merge', body: { metadata: { ownerReferences: [{ ...by(b, { blockOwnerDeletion: true }) }] } } } as const;
    await world.api.client.patch(configmaps, { namespace: 'default', name: 'a' }, merge);
    await remove(world, 'a', 'Foreground');
    await left(world, configmaps, []);
  }));

test('an owner that is another one by now, or in another namespace, is none', () =>
  inWorld(async (world) => {
    const { api } = world;
    const owner = await create(world, 'owner');
    await api.client.create(namespaces, { metadata: { name: 'elsewhere' } });
    const far = await api.client.create(configmaps, { metadata: { name: 'far', namespace: 'elsewhere' } });
    await create(world, 'late', [by(owner, { uid: '00000000-1111-2222-3333-444444444444' })]);
    await create(world, 'across', [by(far)]);
    await create(world, 'child', [by(owner)]);
    await left(world, configmaps, ['child', 'owner']);
  }));

test('what lives in a namespace may belong to what does not, and the other way round it stays', () =>
  inWorld(async (world) => {
    const { api } = world;
    const node = await api.client.create(nodes, { metadata: { name: 'pi' } });
    await create(world, 'of-node', [by(node)]);
    const owner = await create(world, 'owner');
    await api.client.create(nodes, { metadata: { name: 'odd', ownerReferences: [by(owner)] } });
    await remove(world, 'owner');
    await api.client.delete(nodes, { name: 'pi' });
    await left(world, configmaps, []);
    assert.is((await api.client.get(nodes, { name: 'odd' })).metadata.name, 'odd');
  }));

function gadgetDefinition(): Pick<KubeObject, 'metadata' | 'spec'> {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  return {
    metadata: { name: 'gadgets.probe.io' },
    spec: {
      group: 'probe.io',
      scope: 'Namespaced',
      names: { plural: 'gadgets', kind: 'Gadget' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}

test('custom kinds own and are owned; an owner of a kind that is not served is waited for', () =>
  inWorld(async (world) => {
    const { api } = world;
    const absent = { apiVersion: 'probe.io/v1', kind: 'Gadget', name: 'g', uid: '00000000-1111-2222-3333-444444444444' };
    await create(world, 'early', [absent]);
    await settled(world);
    assert.is((await api.client.get(configmaps, { namespace: 'default', name: 'early' })).metadata.name, 'early');
    await api.client.create(customResourceDefinitions, gadgetDefinition());
    await left(world, configmaps, []);

    const gadget = await api.client.create(gadgets, { metadata: { name: 'g', namespace: 'default' } });
    await create(world, 'of-gadget', [by(gadget)]);
    const owner = await create(world, 'owner');
    await api.client.create(gadgets, { metadata: { name: 'owned', namespace: 'default', ownerReferences: [by(owner)] } });
    await api.client.delete(gadgets, { namespace: 'default', name: 'g' });
    await remove(world, 'owner');
    await left(world, configmaps, []);
    await left(world, gadgets, []);
  }));

test('a definition whose objects are held, or many, waits for them and takes no new ones', () =>
  inWorld(async (world) => {
    const { api } = world;
    const definition = { name: 'gadgets.probe.io' };
    const create1500 = async (): Promise<void> => {
      const names = Array.from({ length: 1500 }, (_each, index) => `g${index}`);
      await Promise.all(names.map((name) => api.client.create(gadgets, { metadata: { name, namespace: 'default' } })));
    };
    const gone = (): Promise<unknown> =>
      until(
        async () => {
          await world.clock.advance(1000);
          return (await api.client.list(customResourceDefinitions)).items.length === 0;
        },
        { what: 'the definition to go' },
      );
    await api.client.create(customResourceDefinitions, gadgetDefinition());
    const held = { name: 'held', namespace: 'default' };
    await api.client.create(gadgets, { metadata: { ...held, finalizers: ['probe.io/hold'] } });
    await api.client.delete(customResourceDefinitions, definition);
    await settled(world);
    const { metadata } = await api.client.get(customResourceDefinitions, definition);
    assert.equal(metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
    const { status, text } = await api.raw({
      method: 'POST',
      path: '/apis/probe.io/v1/namespaces/default/gadgets',
      contentType: 'application/json',
      body: { apiVersion: 'probe.io/v1', kind: 'Gadget', metadata: { name: 'late' } },
    });
    assert.is(status, 405);
    assert.match(text, 'create not allowed while custom resource definition is terminating');
    await api.client.patch(gadgets, held, { type: 'merge', body: { metadata: { finalizers: null } } });
    await gone();

    await api.client.create(customResourceDefinitions, gadgetDefinition());
    await create1500();
    await api.client.delete(customResourceDefinitions, definition);
    await gone();
    await api.client.create(customResourceDefinitions, gadgetDefinition());
    assert.equal((await api.client.list(gadgets)).items, []);
  }));

test('a restart takes up what was left undone', async () => {
  const before = await open();
  const owner = await create(before, 'owner');
  await create(before, 'child', [by(owner, { blockOwnerDeletion: true })]);
  await before.api.client.create(namespaces, { metadata: { name: 'ending' } });
  await before.api.client.create(secrets, { metadata: { name: 's', namespace: 'ending' } });
  await before.api.client.delete(namespaces, { name: 'ending' });
  const other = await create(before, 'other');
  await create(before, 'of-other', [by(other)]);
  await remove(before, 'other');
  await remove(before, 'owner', 'Foreground');
  await before.api.close();
  const after = await open(before.api.dataDir);
  try {
    await left(after, configmaps, []);
    await until(
      async () => {
        await after.clock.advance(1000);
        return (await after.api.client.list(namespaces)).items.every(({ metadata }) => metadata.name !== 'ending');
      },
      { what: 'the namespace to go' },
    );
  } finally {
    await after.api.close();
  }
});

test('a thousand dependents go in parts', () =>
  inWorld(async (world) => {
    const owner = await create(world, 'owner');
    await Promise.all(Array.from({ length: 1000 }, (_each, index) => create(world, `child-${index}`, [by(owner)])));
    await remove(world, 'owner');
    await left(world, configmaps, []);
    const rounds = world.lines.filter(({ event }) => event === 'api.garbage.collected').map(({ fields }) => Number(fields.deleted));
    assert.equal(rounds, [200, 200, 200, 200, 200]);
  }));

test.run();
