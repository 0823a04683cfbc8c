/** Owns the contract for a kind with a status subresource and lists that merge by key. */
import * as assert from 'uvu/assert';
import { nodes, type KubeObject, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import { loadRecorded } from '../support/recorded-api/steps.ts';
import { refused, sectionOf } from './expect.ts';
import type { Step } from './kube-api-contract.ts';

const NAME = { name: 'edge-g' };

function conditionsOf(node: KubeObject): string[] {
  const conditions = (sectionOf(node, 'status')['conditions'] ?? []) as { type: string; status: string }[];
  return conditions.map(({ type, status }) => `${type} ${status}`).sort();
}

/** What the recorded step sent. */
export function recordedBody(file: string, step: string): KubeObjectInput {
  const steps = loadRecorded(`${file}.json`) as { id: string; request?: { body?: unknown } }[];
  return steps.find(({ id }) => id === step)?.request?.body as KubeObjectInput;
}

export const nodeSteps: readonly Step[] = [
  {
    name: 'a cluster-scoped object is created',
    async run({ api, memory }) {
      const made = await api.create(nodes, recordedBody('nodes', 'create'));
      assert.equal([made.metadata.name, made.metadata.namespace], ['edge-g', undefined]);
      memory.keep('version', made.metadata.resourceVersion);
    },
  },
  {
    name: 'the status is replaced by an update of the subresource, the spec is not',
    async run({ api }) {
      const changed = await api.update(nodes, recordedBody('nodes', 'status-put'), { subresource: 'status' });
      assert.equal(conditionsOf(changed), ['Ready True']);
      assert.is(sectionOf(changed, 'spec')['unschedulable'], undefined);
    },
  },
  {
    name: 'an update of the status with an older version is a Conflict',
    async run({ api, memory }) {
      const metadata = { ...NAME, resourceVersion: memory.recall('version') };
      await refused(api.update(nodes, { metadata, status: {} }, { subresource: 'status' }), 409, 'Conflict');
    },
  },
  {
    name: 'a strategic patch merges conditions by type',
    async run({ api }) {
      const conditions = [
        { type: 'Ready', status: 'Unknown', reason: 'Stopped' },
        { type: 'DiskPressure', status: 'False' },
      ];
      const changed = await api.patch(nodes, NAME, { type: 'strategic', body: { status: { conditions } }, subresource: 'status' });
      assert.equal(conditionsOf(changed), ['DiskPressure False', 'Ready Unknown']);
    },
  },
  {
    name: 'a merge patch replaces the whole list',
    async run({ api }) {
      const body = { status: { conditions: [{ type: 'Ready', status: 'True' }] } };
      const changed = await api.patch(nodes, NAME, { type: 'merge', body, subresource: 'status' });
      assert.equal(conditionsOf(changed), ['Ready True']);
    },
  },
  {
    name: 'a patch of the object leaves the status alone',
    async run({ api }) {
      const body = { status: { phase: 'Running' }, metadata: { labels: { site: 'lab' } } };
      const changed = await api.patch(nodes, NAME, { type: 'merge', body });
      assert.equal([changed.metadata.labels?.['site'], sectionOf(changed, 'status')['phase']], ['lab', undefined]);
    },
  },
  {
    name: 'taints are replaced as a whole',
    async run({ api }) {
      const taints = [{ key: 'k', value: 'v', effect: 'NoSchedule' }];
      const changed = await api.patch(nodes, NAME, { type: 'strategic', body: { spec: { taints } } });
      assert.equal(sectionOf(changed, 'spec')['taints'], taints);
    },
  },
  {
    name: 'a cluster-scoped object is deleted',
    async run({ api }) {
      await api.delete(nodes, NAME);
    },
  },
];
