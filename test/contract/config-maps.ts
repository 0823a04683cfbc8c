/** Owns the contract for a plain built-in kind: every verb, selectors, pages, conflicts, dry runs, finalizers. */
import * as assert from 'uvu/assert';
import { configmaps } from '#cloud/store/kube-api.ts';
import { namesOf, refused } from './expect.ts';
import type { Step } from './kube-api-contract.ts';

export const configMapSteps: readonly Step[] = [
  {
    name: 'create answers the object as it is stored',
    async run({ api, namespace, memory }) {
      const made = await api.create(configmaps, { metadata: { name: 'cm1', namespace }, data: { a: '1', b: '2' } });
      assert.equal([made.apiVersion, made.kind, made.metadata.name, made.metadata.namespace], ['v1', 'ConfigMap', 'cm1', namespace]);
      assert.equal(made['data'], { a: '1', b: '2' });
      assert.ok(made.metadata.creationTimestamp);
      memory.keep('first version', made.metadata.resourceVersion);
      memory.keep('uid', made.metadata.uid);
    },
  },
  {
    name: 'a name that is taken is AlreadyExists',
    async run({ api, namespace }) {
      const error = await refused(api.create(configmaps, { metadata: { name: 'cm1', namespace }, data: {} }), 409, 'AlreadyExists');
      assert.is(error.message, 'configmaps "cm1" already exists');
    },
  },
  {
    name: 'get answers the same object',
    async run({ api, namespace, memory }) {
      const got = await api.get(configmaps, { namespace, name: 'cm1' });
      assert.equal([got.metadata.resourceVersion, got.metadata.uid], [memory.recall('first version'), memory.recall('uid')]);
      assert.equal(got['data'], { a: '1', b: '2' });
    },
  },
  {
    name: 'what is not there is NotFound, by name',
    async run({ api, namespace }) {
      const error = await refused(api.get(configmaps, { namespace, name: 'nosuch' }), 404, 'NotFound');
      assert.equal(error.status.details, { name: 'nosuch', kind: 'configmaps' });
      assert.is(error.message, 'configmaps "nosuch" not found');
    },
  },
  {
    name: 'list answers items with their kind, and a version to watch from',
    async run({ api, namespace }) {
      const list = await api.list(configmaps, { namespace });
      assert.equal(namesOf(list), ['cm1']);
      assert.equal([list.items[0]?.kind, list.items[0]?.apiVersion], ['ConfigMap', 'v1']);
      assert.ok(list.resourceVersion);
      assert.is(list.continue, undefined);
    },
  },
  {
    name: 'update with the version that is stored replaces it',
    async run({ api, namespace, memory }) {
      const resourceVersion = memory.recall('first version');
      const changed = await api.update(configmaps, { metadata: { name: 'cm1', namespace, resourceVersion }, data: { a: '2' } });
      assert.equal([changed['data'], changed.metadata.uid], [{ a: '2' }, memory.recall('uid')]);
      assert.is.not(changed.metadata.resourceVersion, resourceVersion);
    },
  },
  {
    name: 'update with an older version is a Conflict',
    async run({ api, namespace, memory }) {
      const stale = { name: 'cm1', namespace, resourceVersion: memory.recall('first version') };
      const error = await refused(api.update(configmaps, { metadata: stale, data: { a: '3' } }), 409, 'Conflict');
      assert.match(error.message, /the object has been modified; please apply your changes to the latest version and try again/);
    },
  },
  {
    name: 'update of a core kind without a version replaces whatever is there',
    async run({ api, namespace, memory }) {
      const changed = await api.update(configmaps, { metadata: { name: 'cm1', namespace }, data: { a: '4' } });
      assert.equal(changed['data'], { a: '4' });
      memory.keep('version', changed.metadata.resourceVersion);
    },
  },
  {
    name: 'an update that changes nothing keeps the version',
    async run({ api, namespace, memory }) {
      const same = await api.update(configmaps, { metadata: { name: 'cm1', namespace }, data: { a: '4' } });
      assert.is(same.metadata.resourceVersion, memory.recall('version'));
    },
  },
  {
    name: 'update of what is not there is NotFound',
    async run({ api, namespace }) {
      await refused(api.update(configmaps, { metadata: { name: 'nosuch', namespace }, data: {} }), 404, 'NotFound');
    },
  },
  {
    name: 'a merge patch sets, and null deletes',
    async run({ api, namespace, memory }) {
      const changed = await api.patch(configmaps, { namespace, name: 'cm1' }, { type: 'merge', body: { data: { a: null, n: '5' } } });
      assert.equal(changed['data'], { n: '5' });
      memory.keep('version', changed.metadata.resourceVersion);
    },
  },
  {
    name: 'a patch that changes nothing keeps the version',
    async run({ api, namespace, memory }) {
      const same = await api.patch(configmaps, { namespace, name: 'cm1' }, { type: 'merge', body: {} });
      assert.is(same.metadata.resourceVersion, memory.recall('version'));
    },
  },
  {
    name: 'a version inside a patch is a condition',
    async run({ api, namespace, memory }) {
      const body = { metadata: { resourceVersion: memory.recall('first version') }, data: { z: '1' } };
      await refused(api.patch(configmaps, { namespace, name: 'cm1' }, { type: 'merge', body }), 409, 'Conflict');
    },
  },
  {
    name: 'a strategic patch of a built-in kind merges',
    async run({ api, namespace }) {
      const body = { data: { s: '6' }, metadata: { labels: { tier: 'edge' } } };
      const changed = await api.patch(configmaps, { namespace, name: 'cm1' }, { type: 'strategic', body });
      assert.equal([changed['data'], changed.metadata.labels], [{ n: '5', s: '6' }, { tier: 'edge' }]);
    },
  },
  {
    name: 'a JSON patch is done as a whole',
    async run({ api, namespace }) {
      const operations = [
        { op: 'test', path: '/data/n', value: '5' },
        { op: 'replace', path: '/data/n', value: '7' },
        { op: 'add', path: '/data/new', value: '8' },
      ] as const;
      const changed = await api.patch(configmaps, { namespace, name: 'cm1' }, { type: 'json', operations });
      assert.equal(changed['data'], { n: '7', s: '6', new: '8' });
    },
  },
  {
    name: 'a JSON patch whose test fails is Invalid',
    async run({ api, namespace }) {
      const operations = [{ op: 'test', path: '/data/n', value: 'nope' }] as const;
      await refused(api.patch(configmaps, { namespace, name: 'cm1' }, { type: 'json', operations }), 422, 'Invalid');
    },
  },
  {
    name: 'a patch of what is not there is NotFound',
    async run({ api, namespace }) {
      await refused(api.patch(configmaps, { namespace, name: 'nosuch' }, { type: 'merge', body: { data: {} } }), 404, 'NotFound');
    },
  },
  {
    name: 'a dry run answers what would be, and stores nothing',
    async run({ api, namespace }) {
      const name = { namespace, name: 'cm1' };
      const would = await api.patch(configmaps, name, { type: 'merge', body: { data: { dry: '1' } }, dryRun: true });
      assert.is((would['data'] as Record<string, string>)['dry'], '1');
      const is = await api.get(configmaps, name);
      assert.is((is['data'] as Record<string, string>)['dry'], undefined);
      assert.is(is.metadata.resourceVersion, would.metadata.resourceVersion);
    },
  },
  {
    name: 'a generated name begins as wanted',
    async run({ api, namespace }) {
      const made = await api.create(configmaps, { metadata: { generateName: 'gen-', namespace }, data: {} });
      assert.ok(made.metadata.name.length > 4 && (made.metadata.name.startsWith('gen-') || made.metadata.name === '<generated-name>'));
    },
  },
  {
    name: 'a dry run of create leaves nothing behind',
    async run({ api, namespace }) {
      const would = await api.create(configmaps, { metadata: { name: 'dry1', namespace }, data: {} }, { dryRun: true });
      assert.is(would.metadata.name, 'dry1');
      await refused(api.get(configmaps, { namespace, name: 'dry1' }), 404, 'NotFound');
    },
  },
  {
    name: 'a name that cannot be is Invalid, with the field',
    async run({ api, namespace }) {
      const error = await refused(api.create(configmaps, { metadata: { name: 'Bad_Name', namespace }, data: {} }), 422, 'Invalid');
      assert.equal(
        error.status.details?.causes?.map(({ field }) => field),
        ['metadata.name'],
      );
    },
  },
  {
    name: 'a namespace that is not there is NotFound, by its own name',
    async run({ api }) {
      const error = await refused(api.create(configmaps, { metadata: { name: 'x', namespace: 'nosuchns' }, data: {} }), 404, 'NotFound');
      assert.is(error.message, 'namespaces "nosuchns" not found');
    },
  },
  {
    name: 'label selectors choose',
    async run({ api, namespace }) {
      assert.equal(namesOf(await api.list(configmaps, { namespace, labelSelector: 'tier=edge' })), ['cm1']);
      assert.equal(namesOf(await api.list(configmaps, { namespace, labelSelector: 'tier in (edge,cloud)' })), ['cm1']);
      const others = namesOf(await api.list(configmaps, { namespace, labelSelector: '!tier' }));
      assert.ok(others.length > 0 && !others.includes('cm1'));
    },
  },
  {
    name: 'a label selector that is none is a BadRequest',
    async run({ api, namespace }) {
      await refused(api.list(configmaps, { namespace, labelSelector: 'a===b' }), 400, 'BadRequest');
    },
  },
  {
    name: 'field selectors choose, and those that are not served are a BadRequest',
    async run({ api, namespace }) {
      assert.equal(namesOf(await api.list(configmaps, { namespace, fieldSelector: 'metadata.name=cm1' })), ['cm1']);
      await refused(api.list(configmaps, { namespace, fieldSelector: 'data.a=1' }), 400, 'BadRequest');
    },
  },
  {
    name: 'a list in a namespace that is not there is empty',
    async run({ api }) {
      assert.equal(namesOf(await api.list(configmaps, { namespace: 'nosuchns' })), []);
    },
  },
  {
    name: 'a list comes in pages of one state',
    async run({ api, namespace }) {
      const labels = { paged: 'yes' };
      for (const name of ['p1', 'p2', 'p3']) await api.create(configmaps, { metadata: { name, namespace, labels } });
      const first = await api.list(configmaps, { namespace, limit: 2, labelSelector: 'paged=yes' });
      assert.equal(namesOf(first), ['p1', 'p2']);
      assert.ok(first.continue);
      await api.create(configmaps, { metadata: { name: 'p4', namespace, labels } });
      const second = await api.list(configmaps, { namespace, limit: 2, labelSelector: 'paged=yes', continue: first.continue ?? '' });
      assert.equal([namesOf(second), second.continue, second.resourceVersion], [['p3'], undefined, first.resourceVersion]);
    },
  },
  {
    name: 'a deletion of another uid or another version is a Conflict',
    async run({ api, namespace, memory }) {
      const name = { namespace, name: 'cm1' };
      await refused(api.delete(configmaps, name, { preconditions: { uid: '11111111-2222-3333-4444-555555555555' } }), 409, 'Conflict');
      await refused(api.delete(configmaps, name, { preconditions: { resourceVersion: memory.recall('first version') } }), 409, 'Conflict');
    },
  },
  {
    name: 'what was deleted is gone',
    async run({ api, namespace }) {
      const name = { namespace, name: 'cm1' };
      await api.delete(configmaps, name, { propagationPolicy: 'Background' });
      await refused(api.delete(configmaps, name), 404, 'NotFound');
    },
  },
  {
    name: 'an object with a finalizer stays until that is taken away',
    async run({ api, namespace }) {
      const name = { namespace, name: 'fin' };
      await api.create(configmaps, { metadata: { ...name, finalizers: ['probe.io/hold'] }, data: { k: 'v' } });
      await api.delete(configmaps, name);
      const waiting = await api.get(configmaps, name);
      assert.ok(waiting.metadata.deletionTimestamp);
      assert.equal(waiting.metadata.finalizers, ['probe.io/hold']);
      await api.patch(configmaps, name, { type: 'merge', body: { metadata: { finalizers: null } } });
      await refused(api.get(configmaps, name), 404, 'NotFound');
    },
  },
];
