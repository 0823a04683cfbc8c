/** Owns the decision what a node must hear next of one object, and the message that says it (cloud-edge-transport.md 7). Pure. */
import { createMessage, type BeehiveMessage } from '#wire/message.ts';
import { group, operation, source } from '#wire/resources.ts';
import type { KubeObject } from '../store/kube-api.ts';
import { hashOf, isOlder, type Acknowledged } from './sync-record.ts';

export type Peer = 'hivelet' | 'kubeedge';

/** What is known of one object for one node. */
export type Look =
  /** Nothing that could be acted on. */
  | { state: 'unknown' }
  /** `version`: it is gone from the API since then at the latest; absent: the node has no use for it. */
  | { state: 'unwanted'; version?: string }
  | { state: 'wanted'; object: KubeObject };

/** What the node has of an object. */
export interface Held {
  uid: string;
  version: string;
  hash?: string | undefined;
  record?: Acknowledged;
  /** Version at which that was recorded. */
  recordedAt?: string;
  /** Not told by this link, but known from a record or from the node itself. */
  inherited: boolean;
}

export type Step =
  | { kind: 'nothing' }
  | { kind: 'insert' | 'update'; object: KubeObject }
  /** `version`: nothing older than it may come back. */
  | { kind: 'delete'; uid: string; version: string };

/** KubeEdge v1.9 pushes no others. */
const KUBEEDGE_TYPES: ReadonlySet<string> = new Set(['pod', 'configmap', 'secret']);

export function nextStep({ held, look, peer, key }: { held: Held | undefined; look: Look; peer: Peer; key: string }): Step {
  if (look.state === 'unknown') return { kind: 'nothing' };
  if (look.state === 'unwanted') return held === undefined ? { kind: 'nothing' } : deletion(held, look.version);
  const { object } = look;
  const { uid, resourceVersion: version = '' } = object.metadata;
  if (peer === 'kubeedge' && !KUBEEDGE_TYPES.has(typeOf(key))) return { kind: 'nothing' };
  if (held === undefined) return { kind: 'insert', object };
  // Older than what the node has: our copy lags behind the replica that told it.
  if (!isOlder(held.version, version)) return { kind: 'nothing' };
  // A KubeEdge edge acknowledges an insert of a key that it has, and does not store it (defect D2).
  if (held.uid !== uid) return peer === 'kubeedge' ? deletion(held) : { kind: 'insert', object };
  return held.hash === hashOf(object) ? { kind: 'nothing' } : { kind: 'update', object };
}

function deletion({ uid, version }: Held, goneAt?: string): Step {
  return { kind: 'delete', uid, version: goneAt !== undefined && isOlder(version, goneAt) ? goneAt : version };
}

export function stepMessage(step: Exclude<Step, { kind: 'nothing' }>, { key, now }: { key: string; now: number }): BeehiveMessage {
  const route = { source: source.edgecontroller, group: group.resource, resource: key };
  if (step.kind !== 'delete') {
    // Secrets are always `update`, as KubeEdge says it.
    const verb = typeOf(key) === 'secret' ? operation.update : operation[step.kind];
    const { resourceVersion = '' } = step.object.metadata;
    return createMessage(now, { ...route, operation: verb, content: step.object, resourceVersion });
  }
  const [namespace = '', type = '', name = ''] = key.split('/');
  const metadata = { name, ...(type === 'node' ? {} : { namespace }), uid: step.uid, resourceVersion: step.version };
  return createMessage(now, { ...route, operation: operation.delete, content: { metadata }, resourceVersion: step.version });
}

function typeOf(key: string): string {
  return key.split('/')[1] ?? '';
}
