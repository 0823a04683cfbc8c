/** Owns the schemas of the built-in kinds: the published fields, so that unknown ones are found and `explain` has an answer. */
import type { Schema } from '../schema/schema.ts';

const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer' };
const flag: Schema = { type: 'boolean' };
const time: Schema = { type: 'string', format: 'date-time', nullable: true };
const quantity: Schema = { 'x-kubernetes-int-or-string': true };

const record = (properties: Record<string, Schema>, description?: string): Schema => ({
  type: 'object',
  ...(description === undefined ? {} : { description }),
  properties,
});
const list = (items: Schema): Schema => ({ type: 'array', items });
const map = (additionalProperties: Schema): Schema => ({ type: 'object', additionalProperties });
const free: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

export const metadataSchema: Schema = record(
  {
    name: text,
    generateName: text,
    namespace: text,
    selfLink: text,
    uid: text,
    resourceVersion: text,
    generation: whole,
    creationTimestamp: time,
    deletionTimestamp: time,
    deletionGracePeriodSeconds: whole,
    labels: map(text),
    annotations: map(text),
    ownerReferences: list(record({ apiVersion: text, kind: text, name: text, uid: text, controller: flag, blockOwnerDeletion: flag })),
    finalizers: list(text),
    managedFields: list(free),
  },
  'Standard metadata of every object.',
);

/** Adds what every object has. */
export function objectSchema(description: string, properties: Record<string, Schema>): Schema {
  return record({ apiVersion: text, kind: text, metadata: metadataSchema, ...properties }, description);
}

const condition = record({
  type: text,
  status: text,
  reason: text,
  message: text,
  lastTransitionTime: time,
  lastHeartbeatTime: time,
  lastUpdateTime: time,
  observedGeneration: whole,
});
const reference = record({ kind: text, namespace: text, name: text, uid: text, apiVersion: text, resourceVersion: text, fieldPath: text });

export const namespaceSchema = objectSchema('Namespace provides a scope for names.', {
  spec: record({ finalizers: list(text) }),
  status: record({ phase: text, conditions: list(condition) }),
});

export const nodeSchema = objectSchema('Node is a machine that runs workloads; here, a board that runs edgecore.', {
  spec: record(
    {
      podCIDR: text,
      podCIDRs: list(text),
      providerID: text,
      externalID: text,
      unschedulable: { ...flag, description: 'No new pods on this node (kubectl cordon).' },
      taints: list(record({ key: text, value: text, effect: text, timeAdded: time })),
      configSource: free,
    },
    'What is wanted of the node.',
  ),
  status: record(
    {
      phase: text,
      capacity: map(quantity),
      allocatable: map(quantity),
      conditions: list(condition),
      addresses: list(record({ type: text, address: text })),
      daemonEndpoints: record({ kubeletEndpoint: record({ Port: whole }) }),
      nodeInfo: record({
        machineID: text,
        systemUUID: text,
        bootID: text,
        kernelVersion: text,
        osImage: text,
        containerRuntimeVersion: text,
        kubeletVersion: text,
        kubeProxyVersion: text,
        operatingSystem: text,
        architecture: text,
        swap: free,
      }),
      images: list(record({ names: list(text), sizeBytes: whole })),
      volumesInUse: list(text),
      volumesAttached: list(record({ name: text, devicePath: text })),
      config: free,
      runtimeHandlers: list(free),
      features: free,
    },
    'What the node reported last.',
  ),
});

export const configMapSchema = objectSchema('ConfigMap holds configuration data.', {
  data: { ...map(text), description: 'Texts by key.' },
  binaryData: { ...map({ type: 'string', format: 'byte' }), description: 'Bytes by key, in base64.' },
  immutable: flag,
});

export const secretSchema = objectSchema('Secret holds confidential data.', {
  data: { ...map({ type: 'string', format: 'byte' }), description: 'Bytes by key, in base64.' },
  stringData: { ...map(text), description: 'Texts by key; written into data.' },
  immutable: flag,
  type: text,
});

export const eventSchema = objectSchema('Event tells what happened to an object.', {
  involvedObject: reference,
  reason: text,
  message: text,
  source: record({ component: text, host: text }),
  firstTimestamp: time,
  lastTimestamp: time,
  count: whole,
  type: text,
  eventTime: { ...time, description: 'Time with microseconds.' },
  series: record({ count: whole, lastObservedTime: time, state: text }),
  action: text,
  related: reference,
  reportingComponent: text,
  reportingInstance: text,
});

export const leaseSchema = objectSchema('Lease says who is alive or leads.', {
  spec: record({
    holderIdentity: text,
    leaseDurationSeconds: whole,
    acquireTime: time,
    renewTime: time,
    leaseTransitions: whole,
    strategy: text,
    preferredHolder: text,
  }),
});

export const podSchema = objectSchema('Pod is a group of containers on a node.', {
  spec: { ...free, description: 'What is wanted of the pod.' },
  status: { ...free, description: 'What its node reported last.' },
});

const names = record({ plural: text, singular: text, shortNames: list(text), kind: text, listKind: text, categories: list(text) });

export const crdSchema = objectSchema('CustomResourceDefinition makes the server serve a kind.', {
  spec: record({
    group: text,
    names,
    scope: text,
    preserveUnknownFields: flag,
    conversion: record({ strategy: text, webhook: free }),
    versions: list(
      record({
        name: text,
        served: flag,
        storage: flag,
        deprecated: flag,
        deprecationWarning: text,
        schema: record({ openAPIV3Schema: free }),
        subresources: record({
          status: free,
          scale: record({ specReplicasPath: text, statusReplicasPath: text, labelSelectorPath: text }),
        }),
        additionalPrinterColumns: list(
          record({ name: text, type: text, format: text, description: text, priority: whole, jsonPath: text }),
        ),
        selectableFields: list(record({ jsonPath: text })),
      }),
    ),
  }),
  status: record({ conditions: list(condition), acceptedNames: names, storedVersions: list(text) }),
});
