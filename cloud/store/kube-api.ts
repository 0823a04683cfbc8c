/** Owns the port to a Kubernetes API: what controllers see of a cluster, whichever engine serves it. */

import type { Clock } from '#beehive/clock.ts';
import { backoff } from '#beehive/retry.ts';

export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

/** A set of fields as in FieldsV1: `f:` a member, `k:` an item by its keys, `v:` an item by its value; `.` the field itself beside its children. */
export interface FieldSet {
  [element: string]: FieldSet;
}

/** Who owns which fields of an object. */
export interface ManagedFieldsEntry {
  manager: string;
  operation: 'Apply' | 'Update';
  apiVersion: string;
  /** RFC 3339, UTC, seconds. */
  time?: string;
  fieldsType: 'FieldsV1';
  fieldsV1: FieldSet;
  subresource?: string;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  /** Opaque, compared by the server only; ours and a real server's are decimal numbers as text. */
  resourceVersion?: string;
  generation?: number;
  /** RFC 3339, UTC, seconds. */
  creationTimestamp?: string | null;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  managedFields?: ManagedFieldsEntry[];
}

/** An object exactly as the API gave it: unknown fields are kept, times stay text. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** What a caller may leave out: `apiVersion` and `kind` are filled in from the resource type. */
export type KubeObjectInput = Omit<KubeObject, 'apiVersion' | 'kind' | 'metadata'> & {
  apiVersion?: string;
  kind?: string;
  metadata: Partial<ObjectMeta>;
};

export interface ResourceType {
  /** '' is the core group. */
  group: string;
  version: string;
  /** As in the URL, e.g. `devices`. */
  plural: string;
  kind: string;
  namespaced: boolean;
}

/** Names one object; `namespace` is left out for cluster-scoped kinds. */
export interface ObjectName {
  namespace?: string | undefined;
  name: string;
}

export interface RequestOptions {
  signal?: AbortSignal;
}

export interface GetOptions extends RequestOptions {
  /** `scale` answers an `autoscaling/v1` Scale. */
  subresource?: 'status' | 'scale';
}

export interface WriteOptions extends RequestOptions {
  /** `status` writes go to the subresource; leave it out for kinds without one (Device). */
  subresource?: 'status' | 'scale';
  dryRun?: boolean;
  fieldManager?: string;
  /**
   * `later`: the embedded server may answer before the write is on the disk (it is within five minutes). For what the writer would say
   * again after a crash, such as reported values and heartbeats; a real cluster takes no notice.
   */
  persist?: 'now' | 'later';
}

export interface ListOptions extends RequestOptions {
  /** Absent = all namespaces. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
}

export interface KubeList<T extends KubeObject = KubeObject> {
  /** The version at which a watch continues after this list. */
  resourceVersion: string;
  /** Present when there are more pages. */
  continue?: string;
  items: T[];
}

export interface WatchOptions extends RequestOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Events after this version; absent or '0' = first an `added` for each object that exists. */
  resourceVersion?: string;
  /** The server ends the stream after so many seconds; the iteration then just ends. */
  timeoutSeconds?: number;
}

export type WatchEvent<T extends KubeObject = KubeObject> =
  | { type: 'added' | 'modified' | 'deleted'; object: T }
  /** Nothing happened up to this version: resume from here. */
  | { type: 'bookmark'; resourceVersion: string };

export interface JsonPatchOperation {
  op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test';
  /** JSON pointer (RFC 6901). */
  path: string;
  from?: string;
  value?: unknown;
}

export type Patch =
  | { type: 'json'; operations: readonly JsonPatchOperation[] }
  | { type: 'merge'; body: Record<string, unknown> }
  | { type: 'strategic'; body: Record<string, unknown> }
  /** Server-side apply: creates what is missing, removes what this manager no longer lists; 409 Conflict for fields of others unless forced. */
  | { type: 'apply'; body: Record<string, unknown>; fieldManager: string; force?: boolean };

export interface DeleteOptions extends RequestOptions {
  gracePeriodSeconds?: number;
  preconditions?: { uid?: string; resourceVersion?: string };
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

/**
 * The only way by which our controllers touch a cluster. Every call rejects with `KubeError` when the server
 * refuses, and with the reason of `signal` when that aborts.
 */
export interface KubeApi {
  get(type: ResourceType, name: ObjectName, options?: GetOptions): Promise<KubeObject>;
  list(type: ResourceType, options?: ListOptions): Promise<KubeList>;
  /** Ends quietly when the server ends the stream; throws `KubeError` 410 `Expired` when the version is too old. */
  watch(type: ResourceType, options?: WatchOptions): AsyncIterable<WatchEvent>;
  /** The namespace is that of `object.metadata.namespace`. */
  create(type: ResourceType, object: KubeObjectInput, options?: WriteOptions): Promise<KubeObject>;
  /** Compare and swap when `metadata.resourceVersion` is set. */
  update(type: ResourceType, object: KubeObjectInput, options?: WriteOptions): Promise<KubeObject>;
  /** `api.patch(devices, { namespace, name }, { type: 'json', operations: [...] })`, with `subresource: 'status'` for kinds that have it. */
  patch(type: ResourceType, name: ObjectName, change: Patch & WriteOptions): Promise<KubeObject>;
  delete(type: ResourceType, name: ObjectName, options?: DeleteOptions): Promise<void>;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

/** A Kubernetes `Status` object with `status: Failure`. */
export interface StatusBody {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: { continue?: string };
  status: 'Failure' | 'Success';
  message?: string;
  reason?: string;
  details?: { name?: string; group?: string; kind?: string; uid?: string; causes?: StatusCause[]; retryAfterSeconds?: number };
  code?: number;
}

/** An answer of the API server that is not a success. `reason` as Kubernetes names it: NotFound, AlreadyExists, Conflict, Invalid, Expired, … */
export class KubeError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly status: StatusBody;

  constructor(status: StatusBody) {
    super(status.message ?? status.reason ?? 'the API server refused the request');
    this.name = 'KubeError';
    this.status = status;
    this.code = status.code ?? 500;
    this.reason = status.reason ?? '';
  }
}

/** `isKubeError(error, 'NotFound')`, `isKubeError(error, 'Conflict', 'Invalid')`; without reasons any KubeError. */
export function isKubeError(error: unknown, ...reasons: string[]): error is KubeError {
  return error instanceof KubeError && (reasons.length === 0 || reasons.includes(error.reason));
}

const CONFLICT_ATTEMPTS = 5;
const CONFLICT_MS = { first: 20, max: 1000 };

/**
 * Runs `attempt` again when somebody else wrote in between; it has to read the object anew each time and decide from that, so that nothing is
 * overwritten unseen. Rejects with the last `Conflict` after five attempts, and with any other failure at once.
 */
export async function retryOnConflict<T>(attempt: () => Promise<T>, { clock, signal }: { clock: Clock; signal?: AbortSignal }): Promise<T> {
  const waits = backoff(CONFLICT_MS.first, CONFLICT_MS.max, () => clock.random());
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!isKubeError(error, 'Conflict') || count >= CONFLICT_ATTEMPTS) throw error;
      await clock.sleep(waits.next().value, signal);
    }
  }
}

/** Carries `persist: 'later'` to the embedded server. */
export const PERSIST_HEADER = 'X-Hivelet-Persist';

/** `v1` or `group/version`. */
export function apiVersionOf(type: Pick<ResourceType, 'group' | 'version'>): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`;
}

/** The key of an object in a reflector's store: `namespace/name`, or `name` for cluster-scoped kinds. */
export function keyOf({ namespace, name }: ObjectName): string {
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

export const nodes: ResourceType = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false };
export const namespaces: ResourceType = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace', namespaced: false };
export const configmaps: ResourceType = { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true };
export const secrets: ResourceType = { group: '', version: 'v1', plural: 'secrets', kind: 'Secret', namespaced: true };
export const pods: ResourceType = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true };
export const services: ResourceType = { group: '', version: 'v1', plural: 'services', kind: 'Service', namespaced: true };
export const endpoints: ResourceType = { group: '', version: 'v1', plural: 'endpoints', kind: 'Endpoints', namespaced: true };
export const events: ResourceType = { group: '', version: 'v1', plural: 'events', kind: 'Event', namespaced: true };
export const leases: ResourceType = { group: 'coordination.k8s.io', version: 'v1', plural: 'leases', kind: 'Lease', namespaced: true };
export const customResourceDefinitions: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

/** The version that our controllers read and write; objects of all three generations come through it unpruned. */
export const devices: ResourceType = {
  group: 'devices.kubeedge.io',
  version: 'v1alpha2',
  plural: 'devices',
  kind: 'Device',
  namespaced: true,
};
export const deviceModels: ResourceType = {
  group: 'devices.kubeedge.io',
  version: 'v1alpha2',
  plural: 'devicemodels',
  kind: 'DeviceModel',
  namespaced: true,
};
/** What a node acknowledged of one object; `objectSyncs` in the namespace of the object, the other for cluster-scoped ones. */
export const objectSyncs: ResourceType = {
  group: 'reliablesyncs.kubeedge.io',
  version: 'v1alpha1',
  plural: 'objectsyncs',
  kind: 'ObjectSync',
  namespaced: true,
};
export const clusterObjectSyncs: ResourceType = {
  group: 'reliablesyncs.kubeedge.io',
  version: 'v1alpha1',
  plural: 'clusterobjectsyncs',
  kind: 'ClusterObjectSync',
  namespaced: false,
};
