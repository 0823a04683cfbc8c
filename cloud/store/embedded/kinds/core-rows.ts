/** Owns the rows of the core group. */
import type { KubeObject } from '../../kube-api.ts';
import { dig } from '../json-value.ts';
import { configMapColumns, eventColumns, namespaceColumns, nodeColumns, secretColumns } from './columns.ts';
import { podColumns } from './pod-columns.ts';
import { checkPod, preparePod } from './pod-rules.ts';
import { field } from './row.ts';
import type { FieldRow, Row } from './row.ts';
import { checkConfigMap, checkEvent, checkNode, checkSecret, prepareNamespace, prepareNode, prepareSecret } from './rules.ts';
import { checkEndpoints, checkService, prepareEndpoints, prepareService } from './service-rules.ts';
import { endpointsColumns, serviceAccountColumns, serviceColumns } from './workload-columns.ts';

const involved = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];
const CREATE = ['create'] as const;

export const coreRows: readonly Row[] = [
  {
    plural: 'namespaces',
    kind: 'Namespace',
    namespaced: false,
    shortNames: ['ns'],
    hasStatus: true,
    // As on a real server: namespaces go one by one.
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
    nameRule: 'label',
    definition: 'core/Namespace',
    columns: namespaceColumns,
    fields: new Map([['status.phase', field('status', 'phase')]]),
    prepare: prepareNamespace,
  },
  {
    plural: 'nodes',
    kind: 'Node',
    namespaced: false,
    shortNames: ['no'],
    hasStatus: true,
    definition: 'core/Node',
    columns: nodeColumns,
    fields: new Map([['spec.unschedulable', (object: KubeObject) => String(dig(object, 'spec', 'unschedulable') === true)]]),
    prepare: prepareNode,
    check: checkNode,
  },
  {
    // No scheduler: a pod runs where its nodeName or a binding says.
    plural: 'pods',
    kind: 'Pod',
    shortNames: ['po'],
    categories: ['all'],
    hasStatus: true,
    returnsDeleted: true,
    subresources: [
      { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
      { name: 'binding', kind: 'Binding', verbs: CREATE },
      { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: CREATE },
      { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
      { name: 'log', kind: 'Pod', verbs: ['get'] },
      { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
    ],
    definition: 'core/Pod',
    columns: podColumns,
    fields: new Map([
      ...['nodeName', 'restartPolicy', 'schedulerName', 'serviceAccountName', 'hostNetwork'].map((name): FieldRow => [
        `spec.${name}`,
        name === 'hostNetwork' ? (object) => String(dig(object, 'spec', name) === true) : field('spec', name),
      ]),
      ...['phase', 'podIP', 'nominatedNodeName'].map((name): FieldRow => [`status.${name}`, field('status', name)]),
    ]),
    prepare: preparePod,
    check: checkPod,
  },
  {
    // The old way to bind a pod: the name is in the body only.
    plural: 'bindings',
    kind: 'Binding',
    verbs: CREATE,
    definition: 'core/Binding',
    columns: [],
  },
  {
    plural: 'configmaps',
    kind: 'ConfigMap',
    shortNames: ['cm'],
    definition: 'core/ConfigMap',
    columns: configMapColumns,
    check: checkConfigMap,
  },
  {
    plural: 'secrets',
    kind: 'Secret',
    definition: 'core/Secret',
    columns: secretColumns,
    fields: new Map([['type', field('type')]]),
    prepare: prepareSecret,
    check: checkSecret,
  },
  {
    plural: 'services',
    kind: 'Service',
    shortNames: ['svc'],
    categories: ['all'],
    hasStatus: true,
    nameRule: 'label1035',
    definition: 'core/Service',
    columns: serviceColumns,
    fields: new Map([
      ['spec.clusterIP', field('spec', 'clusterIP')],
      ['spec.type', field('spec', 'type')],
    ]),
    prepare: prepareService,
    check: checkService,
  },
  {
    plural: 'endpoints',
    kind: 'Endpoints',
    createOnUpdate: true,
    listKind: 'EndpointsList',
    singular: 'endpoints',
    shortNames: ['ep'],
    definition: 'core/Endpoints',
    columns: endpointsColumns,
    prepare: prepareEndpoints,
    check: checkEndpoints,
  },
  {
    plural: 'serviceaccounts',
    kind: 'ServiceAccount',
    shortNames: ['sa'],
    returnsDeleted: true,
    subresources: [{ name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: CREATE }],
    definition: 'core/ServiceAccount',
    columns: serviceAccountColumns,
  },
  {
    plural: 'events',
    kind: 'Event',
    createOnUpdate: true,
    // Writers name them after their object and a dot: only what could not stand in a path is refused.
    nameRule: 'path',
    shortNames: ['ev'],
    definition: 'core/Event',
    columns: eventColumns,
    persistence: 'later',
    fields: new Map([
      ...involved.map((name): FieldRow => [`involvedObject.${name}`, field('involvedObject', name)]),
      ['reason', field('reason')],
      ['type', field('type')],
      ['source', field('source', 'component')],
      ['reportingComponent', field('reportingComponent')],
    ]),
    check: checkEvent,
  },
];
