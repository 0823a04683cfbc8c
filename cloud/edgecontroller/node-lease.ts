/** Owns the Lease of a node: its holder is the replica that serves the node, its renewal says that the node is heard. Pure. */
import { fieldsOf, textOf } from '#device-models/fields.ts';
import type { JsonPatchOperation, KubeObject, KubeObjectInput, ObjectName } from '../store/kube-api.ts';

export const LEASE_NAMESPACE = 'kube-node-lease';
/** Leases that replicas of ours hold; on a real cluster kubelets have theirs in the same namespace. */
export const LEASE_LABEL = 'node.hivelet.dev/edge';
/** As kubelets say; it tells others, nothing of ours is decided by it. */
const DURATION_SECONDS = 40;

export interface LeaseFacts {
  node: string;
  /** Of the replica. */
  identity: string;
  /** Unix ms. */
  now: number;
  /** Of the Node, which owns the Lease. */
  uid: string | undefined;
}

export function leaseName(node: string): ObjectName {
  return { namespace: LEASE_NAMESPACE, name: node };
}

export function holderOf(lease: KubeObject): string {
  return textOf(fieldsOf(lease['spec'])?.['holderIdentity']) ?? '';
}

export function renewTimeOf(lease: KubeObject): string {
  return textOf(fieldsOf(lease['spec'])?.['renewTime']) ?? '';
}

export function newLease(facts: LeaseFacts): KubeObjectInput {
  return {
    metadata: { ...leaseName(facts.node), labels: { [LEASE_LABEL]: '' }, ...owned(facts) },
    spec: { ...claim(facts), leaseTransitions: 0 },
  };
}

/** For a PUT: `metadata.resourceVersion` stays, so that only one of several takes it. */
export function claimedLease(lease: KubeObject, facts: LeaseFacts): KubeObject {
  const before = fieldsOf(lease['spec']) ?? {};
  const transitions = Number(before['leaseTransitions'] ?? 0);
  const labels = { ...lease.metadata.labels, [LEASE_LABEL]: '' };
  return {
    ...lease,
    metadata: { ...lease.metadata, labels, ...owned(facts) },
    spec: { ...before, ...claim(facts), leaseTransitions: (Number.isFinite(transitions) ? transitions : 0) + 1 },
  };
}

/** Refused by its test when another one took the Lease. `lease`: as last seen. */
export function renewal(facts: Omit<LeaseFacts, 'node'> & { lease: KubeObject | undefined }): JsonPatchOperation[] {
  const { identity, now, lease, uid } = facts;
  const owners = lease?.metadata.ownerReferences ?? [];
  const foreign = lease !== undefined && uid !== undefined && !owners.some((owner) => owner.uid === uid);
  const value = foreign ? owned({ ...facts, node: lease.metadata.name }).ownerReferences : undefined;
  return [
    { op: 'test', path: '/spec/holderIdentity', value: identity },
    { op: 'add', path: '/spec/renewTime', value: microTime(now) },
    ...(value === undefined ? [] : [{ op: 'add' as const, path: '/metadata/ownerReferences', value }]),
  ];
}

function claim({ identity, now }: LeaseFacts): Record<string, unknown> {
  const time = microTime(now);
  return { holderIdentity: identity, leaseDurationSeconds: DURATION_SECONDS, acquireTime: time, renewTime: time };
}

function owned({ node, uid }: LeaseFacts): Pick<KubeObject['metadata'], 'ownerReferences'> {
  return uid === undefined ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: node, uid }] };
}

/** Kubernetes wants six digits. */
function microTime(now: number): string {
  return new Date(now).toISOString().replace('Z', '000Z');
}
