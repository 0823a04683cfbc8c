/** Owns the contract for custom resources: definition, schema, status and scale subresources. */
import * as assert from 'uvu/assert';
import { customResourceDefinitions, isKubeError, type KubeObject, type ResourceType } from '#cloud/store/kube-api.ts';
import { until } from '../support/until.ts';
import { refused, sectionOf } from './expect.ts';
import type { Step } from './kube-api-contract.ts';
import { recordedBody } from './nodes.ts';

const gadgets: ResourceType = { group: 'probe.io', version: 'v1', plural: 'gadgets', kind: 'Gadget', namespaced: true };

export const customSteps: readonly Step[] = [
  {
    name: 'a definition is taken, and its kind is served soon after',
    async run({ api, namespace }) {
      const made = await api.create(customResourceDefinitions, recordedBody('crds', 'small-crd'));
      assert.is(made.metadata.name, 'gadgets.probe.io');
      const sent = recordedBody('crds', 'cr-defaults');
      // A cluster answers 404 for a moment.
      const first = await until<KubeObject | undefined>(
        () =>
          api.create(gadgets, { ...sent, metadata: { ...sent.metadata, namespace } }).catch((error: unknown) => {
            if (isKubeError(error, 'NotFound')) return undefined;
            throw error;
          }),
        { what: 'the kind to be served' },
      );
      const spec = sectionOf(first, 'spec');
      assert.equal([spec['color'], spec['junk'], spec['free']], ['red', undefined, { any: { thing: 1 } }]);
      assert.equal([first.metadata.generation, first['status']], [1, undefined]);
    },
  },
  {
    name: 'a required field that is missing is Invalid, with the field',
    async run({ api, namespace }) {
      const error = await refused(api.create(gadgets, { metadata: { name: 'g3', namespace } }), 422, 'Invalid');
      assert.equal(
        error.status.details?.causes?.map(({ field }) => field),
        ['spec'],
      );
    },
  },
  {
    name: 'a patch of the status subresource changes the status only',
    async run({ api, namespace }) {
      const { status, spec, metadata } = recordedBody('crds', 'cr-status');
      const change = { type: 'merge', body: { status, spec, metadata }, subresource: 'status' } as const;
      const changed = await api.patch(gadgets, { namespace, name: 'g1' }, change);
      assert.equal([sectionOf(changed, 'status')['phase'], sectionOf(changed, 'spec')['size'], changed.metadata.generation], ['Up', 3, 1]);
    },
  },
  {
    name: 'a patch of the object counts a generation and leaves the status alone',
    async run({ api, namespace }) {
      const body = { spec: { size: 4 }, status: { phase: 'Ignored' } };
      const changed = await api.patch(gadgets, { namespace, name: 'g1' }, { type: 'merge', body });
      assert.equal([sectionOf(changed, 'status')['phase'], sectionOf(changed, 'spec')['size'], changed.metadata.generation], ['Up', 4, 2]);
    },
  },
  {
    name: 'a patch of the scale subresource changes the replicas',
    async run({ api, namespace }) {
      const change = { type: 'merge', body: { spec: { replicas: 3 } }, subresource: 'scale' } as const;
      const scale = await api.patch(gadgets, { namespace, name: 'g1' }, change);
      assert.equal([scale.apiVersion, scale.kind, sectionOf(scale, 'spec')['replicas']], ['autoscaling/v1', 'Scale', 3]);
    },
  },
  {
    name: 'the scale is read and replaced as a Scale',
    async run({ api, namespace }) {
      const name = { namespace, name: 'g1' };
      const scale = await api.get(gadgets, name, { subresource: 'scale' });
      assert.equal([scale.kind, sectionOf(scale, 'spec')['replicas']], ['Scale', 3]);
      const changed = await api.update(gadgets, { ...scale, spec: { replicas: 5 } }, { subresource: 'scale' });
      assert.is(sectionOf(changed, 'spec')['replicas'], 5);
      assert.is(sectionOf(await api.get(gadgets, name), 'spec')['replicas'], 5);
    },
  },
  {
    name: 'the status is replaced by an update of the subresource',
    async run({ api, namespace }) {
      const name = { namespace, name: 'g1' };
      const is = await api.get(gadgets, name, { subresource: 'status' });
      const changed = await api.update(gadgets, { ...is, spec: { size: 9 }, status: { phase: 'Down' } }, { subresource: 'status' });
      assert.equal([changed['status'], sectionOf(changed, 'spec')['size']], [{ phase: 'Down' }, 4]);
    },
  },
  {
    name: 'a strategic patch of a custom resource is refused',
    async run({ api, namespace }) {
      const change = { type: 'strategic', body: { metadata: { labels: { a: 'b' } } } } as const;
      await refused(api.patch(gadgets, { namespace, name: 'g1' }, change), 415, 'UnsupportedMediaType');
    },
  },
  {
    name: 'an update of a custom resource without a version is refused',
    async run({ api, namespace }) {
      const error = await refused(api.update(gadgets, { metadata: { namespace, name: 'g1' }, spec: { size: 1 } }), 422, 'Invalid');
      assert.match(error.message, /metadata\.resourceVersion: .*must be specified for an update/);
    },
  },
  {
    name: 'a custom resource is deleted, and its definition with all that is left',
    async run({ api, namespace }) {
      await api.delete(gadgets, { namespace, name: 'g1' });
      await api.delete(customResourceDefinitions, { name: 'gadgets.probe.io' });
      await until(
        () =>
          api.get(customResourceDefinitions, { name: 'gadgets.probe.io' }).then(
            () => false,
            (error: unknown) => isKubeError(error, 'NotFound'),
          ),
        { what: 'the definition to go' },
      );
    },
  },
];
