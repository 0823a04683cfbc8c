/** Owns the contract of watches: what comes, from where, in which order, and how it ends. */
import * as assert from 'uvu/assert';
import { configmaps, isKubeError, type KubeApi } from '#cloud/store/kube-api.ts';
import { within } from '../support/until.ts';
import { eventsOf, refused } from './expect.ts';
import type { Step, World } from './kube-api-contract.ts';

/** Reads events while `act` writes; ends the watch. */
async function during(
  { api, namespace }: World,
  options: { resourceVersion: string; labelSelector?: string; count: number },
  act: () => Promise<void>,
) {
  const { count, ...watch } = options;
  const abort = new AbortController();
  const reading = eventsOf(api.watch(configmaps, { namespace, ...watch, signal: abort.signal }), count);
  try {
    await act();
    return await within(reading, { what: `${count} events` });
  } finally {
    abort.abort(new Error('seen enough'));
    await reading.catch(() => undefined);
  }
}

function seen(watch: ReturnType<KubeApi['watch']>, count: number) {
  return within(eventsOf(watch, count), { what: `${count} events` });
}

export const watchSteps: readonly Step[] = [
  {
    name: 'a watch from a version tells what came after it, in order, and nothing of a write that changed nothing',
    async run(world) {
      const { api, namespace, memory } = world;
      const from = (await api.list(configmaps, { namespace })).resourceVersion;
      const name = { namespace, name: 'w1' };
      const { told, objects } = await during(world, { resourceVersion: from, count: 3 }, async () => {
        await api.create(configmaps, { metadata: { ...name, labels: { w: 'y' } }, data: { a: '1' } });
        await api.patch(configmaps, name, { type: 'merge', body: { data: { a: '2' } } });
        await api.patch(configmaps, name, { type: 'merge', body: {} });
        await api.delete(configmaps, name);
      });
      assert.equal(told, ['added w1', 'modified w1', 'deleted w1']);
      assert.equal([objects[0]?.['data'], objects[1]?.['data'], objects[2]?.['data']], [{ a: '1' }, { a: '2' }, { a: '2' }]);
      const versions = objects.map(({ metadata }) => metadata.resourceVersion);
      assert.is(new Set(versions).size, 3, 'a deletion has a version of its own');
      memory.keep('before deletion', versions[1]);
    },
  },
  {
    name: 'a watch without a version first tells what is there',
    async run({ api, namespace }) {
      const { told } = await seen(api.watch(configmaps, { namespace }), 1);
      assert.equal(told, ['added w0']);
    },
  },
  {
    name: 'a watch with a selector tells of entering and leaving as added and deleted, and resumes where another ended',
    async run(world) {
      const { api, namespace, memory } = world;
      const name = { namespace, name: 'w2' };
      const resourceVersion = memory.recall('before deletion');
      const { told, objects } = await during(world, { resourceVersion, labelSelector: 'w=y', count: 4 }, async () => {
        await api.create(configmaps, { metadata: { ...name, labels: { w: 'n' } }, data: {} });
        await api.patch(configmaps, name, { type: 'merge', body: { metadata: { labels: { w: 'y' } } } });
        await api.patch(configmaps, name, { type: 'merge', body: { data: { k: '1' } } });
        await api.patch(configmaps, name, { type: 'merge', body: { metadata: { labels: { w: 'n' } } } });
      });
      assert.equal(told, ['deleted w1', 'added w2', 'modified w2', 'deleted w2']);
      assert.equal(objects[3]?.metadata.labels, { w: 'y' }, 'the last state that it was chosen for');
      assert.is.not(objects[3]?.metadata.resourceVersion, objects[2]?.metadata.resourceVersion);
    },
  },
  {
    name: 'a watch from 0 with a field selector first tells what is there',
    async run({ api, namespace }) {
      const { told } = await seen(api.watch(configmaps, { namespace, resourceVersion: '0', fieldSelector: 'metadata.name=w0' }), 1);
      assert.equal(told, ['added w0']);
    },
  },
  {
    name: 'a watch ends quietly after its time',
    async run({ api, namespace }) {
      const watch = api.watch(configmaps, { namespace, resourceVersion: '0', timeoutSeconds: 1 });
      assert.ok((await within(eventsOf(watch, Infinity), { what: 'the end' })).told.length <= 2);
    },
  },
  {
    name: 'a bookmark comes before a watch ends, and may be resumed from',
    async run(world) {
      const { api, namespace } = world;
      const from = (await api.list(configmaps, { namespace })).resourceVersion;
      let bookmark = '';
      const reading = (async () => {
        for await (const event of api.watch(configmaps, { namespace, resourceVersion: from, timeoutSeconds: 12 })) {
          if (event.type === 'bookmark') bookmark = event.resourceVersion;
        }
      })();
      await within(reading, { what: 'the end of the watch', deadlineMs: 20_000 });
      assert.ok(bookmark);
      const { told } = await during(world, { resourceVersion: bookmark, count: 1 }, async () => {
        await api.create(configmaps, { metadata: { namespace, name: 'w3' } });
      });
      assert.equal(told, ['added w3']);
    },
  },
  {
    name: 'a watch whose signal aborts ends with its reason',
    async run({ api, namespace }) {
      const abort = new AbortController();
      const reason = new Error('stopped');
      const reading = eventsOf(api.watch(configmaps, { namespace, fieldSelector: 'metadata.name=nosuch', signal: abort.signal }), 1);
      abort.abort(reason);
      const how = await within(
        reading.then(
          () => 'ended',
          (error: unknown) => error,
        ),
        { what: 'the end' },
      );
      assert.ok(how === 'ended' || how === reason);
    },
  },
  {
    name: 'a selector that is none is refused before the stream',
    async run({ api, namespace }) {
      await refused(eventsOf(api.watch(configmaps, { namespace, labelSelector: 'a===b' }), 1), 400, 'BadRequest');
    },
  },
  {
    name: 'a watch from a version that is forgotten is Expired',
    async run({ api, namespace }) {
      try {
        await within(eventsOf(api.watch(configmaps, { namespace, resourceVersion: '1' }), Infinity), { what: 'the refusal' });
      } catch (error) {
        assert.ok(isKubeError(error, 'Expired'), String(error));
        return assert.is(isKubeError(error) && error.code, 410);
      }
      return assert.unreachable();
    },
  },
];
