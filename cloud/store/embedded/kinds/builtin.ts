/** Owns the list of built-in kinds; a new one is a row here and a schema. */
import type { KubeObject } from '../../kube-api.ts';
import { dig, textAt } from '../json-value.ts';
import {
  configMapColumns,
  crdColumns,
  eventColumns,
  leaseColumns,
  namespaceColumns,
  nodeColumns,
  podColumns,
  secretColumns,
} from './columns.ts';
import { checkCrd, prepareCrd } from './crd-rules.ts';
import type { Kind } from './kind.ts';
import { checkConfigMap, checkEvent, checkNode, checkSecret, prepareNamespace, prepareNode, preparePod, prepareSecret } from './rules.ts';
import { configMapSchema, crdSchema, eventSchema, leaseSchema, namespaceSchema, nodeSchema, podSchema, secretSchema } from './schemas.ts';

type FieldRow = [string, (object: KubeObject) => string];
type Row = Pick<Kind, 'plural' | 'kind' | 'schema' | 'columns'> & Partial<Kind>;

const field =
  (...path: string[]) =>
  (object: KubeObject): string =>
    textAt(object, ...path);

const involved = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

const rows: readonly Row[] = [
  {
    plural: 'namespaces',
    kind: 'Namespace',
    namespaced: false,
    shortNames: ['ns'],
    hasStatus: true,
    nameRule: 'label',
    schema: namespaceSchema,
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
    schema: nodeSchema,
    columns: nodeColumns,
    fields: new Map([['spec.unschedulable', (object: KubeObject) => String(dig(object, 'spec', 'unschedulable') === true)]]),
    prepare: prepareNode,
    check: checkNode,
  },
  {
    // Stored objects only: no scheduler, no graceful deletion yet. `kubectl describe node` lists them.
    plural: 'pods',
    kind: 'Pod',
    shortNames: ['po'],
    categories: ['all'],
    hasStatus: true,
    schema: podSchema,
    columns: podColumns,
    fields: new Map([
      ...['nodeName', 'restartPolicy', 'schedulerName', 'serviceAccountName'].map((name): FieldRow => [
        `spec.${name}`,
        field('spec', name),
      ]),
      ...['phase', 'podIP'].map((name): FieldRow => [`status.${name}`, field('status', name)]),
    ]),
    prepare: preparePod,
  },
  {
    plural: 'configmaps',
    kind: 'ConfigMap',
    shortNames: ['cm'],
    schema: configMapSchema,
    columns: configMapColumns,
    check: checkConfigMap,
  },
  {
    plural: 'secrets',
    kind: 'Secret',
    schema: secretSchema,
    columns: secretColumns,
    fields: new Map([['type', field('type')]]),
    prepare: prepareSecret,
    check: checkSecret,
  },
  {
    plural: 'events',
    kind: 'Event',
    shortNames: ['ev'],
    schema: eventSchema,
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
  {
    group: 'coordination.k8s.io',
    plural: 'leases',
    kind: 'Lease',
    schema: leaseSchema,
    columns: leaseColumns,
    persistence: 'never',
    createOnUpdate: true,
  },
  {
    group: 'apiextensions.k8s.io',
    plural: 'customresourcedefinitions',
    kind: 'CustomResourceDefinition',
    namespaced: false,
    shortNames: ['crd', 'crds'],
    categories: ['api-extensions'],
    hasStatus: true,
    counts: true,
    schema: crdSchema,
    columns: crdColumns,
    prepare: prepareCrd,
    check: checkCrd,
  },
];

const NO_FIELDS: Kind['fields'] = new Map();

export const builtinKinds: readonly Kind[] = rows.map((row) => {
  const group = row.group ?? '';
  return {
    group,
    version: 'v1',
    singular: row.kind.toLowerCase(),
    listKind: `${row.kind}List`,
    namespaced: true,
    shortNames: [],
    categories: [],
    resource: group === '' ? row.plural : `${row.plural}.${group}`,
    custom: false,
    hasStatus: false,
    counts: false,
    fields: NO_FIELDS,
    persistence: 'now',
    createOnUpdate: false,
    nameRule: 'subdomain',
    freeLabelValues: false,
    ...row,
  };
});
