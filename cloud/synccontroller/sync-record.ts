/** Owns the form of ObjectSync and ClusterObjectSync: what a node acknowledged of one object (cloud-edge-transport.md 6.3). Pure. */
import { createHash } from 'node:crypto';
import { fieldsOf } from '#device-models/fields.ts';
import type { KubeObject, KubeObjectInput } from '../store/kube-api.ts';

/** A version of an object, told to a node. */
export interface Acknowledged {
  node: string;
  /** Resource on the wire, `<namespace>/<type>/<name>`. */
  key: string;
  uid: string;
  /** resourceVersion of the object. */
  version: string;
  /** Of all but the status; undefined when KubeEdge wrote the record, or its definition keeps no such field. */
  hash: string | undefined;
  apiVersion: string;
  kind: string;
  /** '' for cluster-scoped objects. */
  namespace: string;
  name: string;
}

export interface SyncRecord extends Acknowledged {
  /** resourceVersion of the record itself. */
  recordedAt: string;
}

/** Kinds whose objects have no namespace, of those that go down. */
const CLUSTER_SCOPED: ReadonlySet<string> = new Set(['Node']);

/** undefined: its name is not `<node>.<uid>`, or it names no object. */
export function readRecord(object: KubeObject): SyncRecord | undefined {
  const { metadata } = object;
  // Names of nodes have dots, uids have none.
  const dot = metadata.name.lastIndexOf('.');
  const spec = fieldsOf(object['spec']);
  const status = fieldsOf(object['status']);
  const [name, kind] = [textOf(spec?.['objectName']), kindOf(textOf(spec?.['objectKind']))];
  if (dot <= 0 || name === '' || kind === '') return undefined;
  const namespace = metadata.namespace ?? '';
  return {
    node: metadata.name.slice(0, dot),
    uid: metadata.name.slice(dot + 1),
    key: `${namespace === '' ? 'default' : namespace}/${kind.toLowerCase()}/${name}`,
    version: textOf(status?.['objectResourceVersion']),
    hash: textOf(status?.['objectHash']) || undefined,
    apiVersion: textOf(spec?.['objectAPIVersion']),
    kind,
    namespace,
    name,
    recordedAt: metadata.resourceVersion ?? '',
  };
}

/** KubeEdge v1.9.1 wrote the plural (`configmaps`), later ones write the kind. */
function kindOf(text: string): string {
  return PLURALS.get(text) ?? text;
}

const PLURALS: ReadonlyMap<string, string> = new Map([
  ['pods', 'Pod'],
  ['configmaps', 'ConfigMap'],
  ['secrets', 'Secret'],
  ['services', 'Service'],
  ['endpoints', 'Endpoints'],
  ['nodes', 'Node'],
]);

export function isClusterScoped({ namespace }: Pick<Acknowledged, 'namespace'>): boolean {
  return namespace === '';
}

export function recordName({ node, uid }: Pick<Acknowledged, 'node' | 'uid'>): string {
  return `${node}.${uid}`;
}

export function newRecord(record: Acknowledged): KubeObjectInput {
  const { namespace, apiVersion, kind, name } = record;
  return {
    metadata: { name: recordName(record), ...(isClusterScoped(record) ? {} : { namespace }) },
    spec: { objectAPIVersion: apiVersion, objectKind: kind, objectName: name },
    status: recordStatus(record),
  };
}

export function recordStatus({ version, hash }: Acknowledged): Record<string, string> {
  return { objectResourceVersion: version, ...(hash === undefined ? {} : { objectHash: hash }) };
}

export function acknowledged(node: string, key: string, object: KubeObject): Acknowledged {
  const { apiVersion, kind, metadata } = object;
  const { uid = '', resourceVersion: version = '', name } = metadata;
  const namespace = CLUSTER_SCOPED.has(kind) ? '' : (metadata.namespace ?? 'default');
  return { node, key, uid, version, hash: hashOf(object), apiVersion, kind, namespace, name };
}

const hashes = new WeakMap<KubeObject, string>();

/** Of what matters at the edge: a pod's status comes from there, and a version is no content. */
export function hashOf(object: KubeObject): string {
  const known = hashes.get(object);
  if (known !== undefined) return known;
  const { status: _status, ...content } = object;
  const { resourceVersion: _version, ...metadata } = content.metadata;
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...content, metadata }, sorted))
    .digest('hex')
    .slice(0, 16);
  hashes.set(object, hash);
  return hash;
}

/** Lists and watches of an API give the same fields in another order. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Numbers of one cluster. Whatever is no number is older than any. */
export function isOlder(left: string, right: string): boolean {
  return numberOf(left) < numberOf(right);
}

function numberOf(version: string): number {
  const number = version === '' ? -1 : Number(version);
  return Number.isSafeInteger(number) ? number : -1;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
