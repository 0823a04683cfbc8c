/** Owns the printer columns of workloads, services and policies. */
import type { KubeObject } from '../../kube-api.ts';
import { dig, isRecord, listAt, own, textAt } from '../json-value.ts';
import { recordsAt } from './checks.ts';
import { NONE, age, at, column, orNone } from './columns.ts';
import type { Cell } from './columns.ts';
import type { Column } from './kind.ts';

const number =
  (...path: string[]): Cell =>
  (object) =>
    Number(dig(object, ...path) ?? 0);

const templates = ['spec', 'template', 'spec'] as const;
const containerColumns: readonly Column[] = [
  column('Containers', (object) => containersOf(object, 'name'), 1),
  column('Images', (object) => containersOf(object, 'image'), 1),
  column('Selector', (object) => selectorText(dig(object, 'spec', 'selector')), 1),
];

export const deploymentColumns: readonly Column[] = [
  column('Ready', (object) => `${Number(dig(object, 'status', 'readyReplicas') ?? 0)}/${Number(dig(object, 'spec', 'replicas') ?? 0)}`),
  column('Up-to-date', number('status', 'updatedReplicas')),
  column('Available', number('status', 'availableReplicas')),
  age,
  ...containerColumns,
];
export const replicaSetColumns: readonly Column[] = [
  column('Desired', number('spec', 'replicas')),
  column('Current', number('status', 'replicas')),
  column('Ready', number('status', 'readyReplicas')),
  age,
  ...containerColumns,
];
export const daemonSetColumns: readonly Column[] = [
  column('Desired', number('status', 'desiredNumberScheduled')),
  column('Current', number('status', 'currentNumberScheduled')),
  column('Ready', number('status', 'numberReady')),
  column('Up-to-date', number('status', 'updatedNumberScheduled')),
  column('Available', number('status', 'numberAvailable')),
  column('Node Selector', (object) => pairs(dig(object, ...templates, 'nodeSelector'))),
  age,
  ...containerColumns,
];
export const revisionColumns: readonly Column[] = [
  column('Controller', (object) => {
    const owner = object.metadata.ownerReferences?.find(({ controller }) => controller === true);
    return owner === undefined ? NONE : `${owner.kind.toLowerCase()}.${owner.apiVersion.split('/')[0] ?? ''}/${owner.name}`;
  }),
  column('Revision', number('revision')),
  age,
];
export const serviceColumns: readonly Column[] = [
  column('Type', at('spec', 'type')),
  column('Cluster-IP', at('spec', 'clusterIP')),
  column('External-IP', externalAddresses),
  column('Port(s)', servicePorts),
  age,
  column('Selector', (object) => pairs(dig(object, 'spec', 'selector')), 1),
];
export const endpointsColumns: readonly Column[] = [column('Endpoints', endpointAddresses), age];
export const serviceAccountColumns: readonly Column[] = [column('Secrets', (object) => listAt(object, 'secrets').length), age];
export const roleColumns: readonly Column[] = [
  { ...column('Created At', (object) => object.metadata.creationTimestamp ?? ''), type: 'date' },
];
export const bindingColumns: readonly Column[] = [
  column('Role', (object) => `${textAt(object, 'roleRef', 'kind')}/${textAt(object, 'roleRef', 'name')}`),
  age,
  column('Users', (object) => subjectsOf(object, 'User'), 1),
  column('Groups', (object) => subjectsOf(object, 'Group'), 1),
  column('ServiceAccounts', (object) => subjectsOf(object, 'ServiceAccount'), 1),
];
export const networkPolicyColumns: readonly Column[] = [
  column('Pod-Selector', (object) => selectorText(dig(object, 'spec', 'podSelector'))),
  age,
];
export const budgetColumns: readonly Column[] = [
  column('Min Available', orNotSet('minAvailable')),
  column('Max Unavailable', orNotSet('maxUnavailable')),
  column('Allowed Disruptions', number('status', 'disruptionsAllowed')),
  age,
];
export const webhookColumns: readonly Column[] = [column('Webhooks', (object) => listAt(object, 'webhooks').length), age];
export const endpointSliceColumns: readonly Column[] = [
  column('AddressType', at('addressType')),
  column('Ports', (object) =>
    orNone(
      shortList(
        recordsAt(object, 'ports').map((port) => shown(port['port'], '*')),
        ',',
      ),
    ),
  ),
  column('Endpoints', (object) =>
    orNone(
      shortList(
        recordsAt(object, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String)),
        ',',
      ),
    ),
  ),
  age,
];

function shown(value: unknown, absent: string): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : absent;
}

function orNotSet(field: string): Cell {
  return (object) => shown(dig(object, 'spec', field), 'N/A');
}

function containersOf(object: KubeObject, part: string): string {
  return recordsAt(dig(object, ...templates), 'containers')
    .map((container) => textAt(container, part))
    .join(',');
}

function pairs(labels: unknown): string {
  if (!isRecord(labels)) return NONE;
  return orNone(
    Object.entries(labels)
      .map(([key, value]) => `${key}=${String(value)}`)
      .sort()
      .join(','),
  );
}

/** As in `kubectl get -l`. */
export function selectorText(selector: unknown): string {
  const labels = own(selector, 'matchLabels');
  const equal = isRecord(labels) ? [pairs(labels)].filter((text) => text !== NONE) : [];
  const others = recordsAt(selector, 'matchExpressions').map((expression) => {
    const key = textAt(expression, 'key');
    const values = listAt(expression, 'values').map(String).sort().join(',');
    switch (textAt(expression, 'operator')) {
      case 'In':
        return `${key} in (${values})`;
      case 'NotIn':
        return `${key} notin (${values})`;
      case 'DoesNotExist':
        return `!${key}`;
      default:
        return key;
    }
  });
  return orNone([...equal, ...others].join(','));
}

function subjectsOf(object: KubeObject, kind: string): string {
  return recordsAt(object, 'subjects')
    .filter((subject) => subject['kind'] === kind)
    .map((subject) => (kind === 'ServiceAccount' ? `${textAt(subject, 'namespace')}/${textAt(subject, 'name')}` : textAt(subject, 'name')))
    .join(', ');
}

function externalAddresses(object: KubeObject): string {
  const type = textAt(object, 'spec', 'type');
  if (type === 'ExternalName') return orNone(textAt(object, 'spec', 'externalName'));
  const given = listAt(object, 'spec', 'externalIPs').map(String);
  const balancers = listAt(object, 'status', 'loadBalancer', 'ingress').map((each) => textAt(each, 'ip') || textAt(each, 'hostname'));
  const all = type === 'LoadBalancer' ? [...balancers, ...given] : given;
  return all.join(',') || (type === 'LoadBalancer' ? '<pending>' : NONE);
}

function servicePorts(object: KubeObject): string {
  const ports = recordsAt(own(object, 'spec'), 'ports').map((port) => {
    const node = port['nodePort'];
    return `${String(port['port'])}${typeof node === 'number' && node > 0 ? `:${node}` : ''}/${textAt(port, 'protocol')}`;
  });
  return orNone(ports.join(','));
}

function endpointAddresses(object: KubeObject): string {
  const found = recordsAt(object, 'subsets').flatMap((subset) => {
    const ports = recordsAt(subset, 'ports');
    const addresses = recordsAt(subset, 'addresses').map((address) => textAt(address, 'ip'));
    if (ports.length === 0) return addresses;
    return ports.flatMap((port) => addresses.map((address) => `${address}:${String(port['port'])}`));
  });
  return orNone(shortList(found, ','));
}

/** Three of them, and how many more. */
function shortList(items: readonly string[], separator: string): string {
  const more = items.length - 3;
  return `${items.slice(0, 3).join(separator)}${more > 0 ? ` + ${more} more...` : ''}`;
}
