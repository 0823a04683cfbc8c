/** Owns the roles that are there from the start, as on a cluster, with the kinds of devices in them. */
import { randomUUID } from 'node:crypto';
import type { KubeObject } from '../../kube-api.ts';
import type { Engine } from '../engine.ts';
import { timeText } from '../engine.ts';
import { listAt, own } from '../json-value.ts';
import { recordsAt } from '../kinds/checks.ts';
import { parseObject } from '../stored-object.ts';
import { RBAC_GROUP } from './rbac.ts';
import { EVERYTHING, ruleBody, rulesIn, uncovered } from './rules.ts';
import { ADMIN_GROUP, AUTHENTICATED, UNAUTHENTICATED } from './user.ts';

const API_VERSION = `${RBAC_GROUP}/v1`;
/** Who does not want a role kept up to date sets it to "false". */
const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate';
const LABELS = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const AGGREGATE = 'rbac.authorization.k8s.io/aggregate-to-';

type RuleRow = [groups: string, resources: string, verbs: string];

const READ = 'get list watch';
const WRITE = 'create delete deletecollection patch update';
const DEVICES = 'devices.kubeedge.io';

const VIEW: RuleRow[] = [
  ['', 'configmaps endpoints pods services serviceaccounts events namespaces', READ],
  ['', 'pods/log pods/status services/status namespaces/status', READ],
  ['apps', 'controllerrevisions daemonsets deployments replicasets', READ],
  ['apps', 'daemonsets/status deployments/scale deployments/status replicasets/scale replicasets/status', READ],
  ['policy', 'poddisruptionbudgets poddisruptionbudgets/status', READ],
  ['networking.k8s.io', 'networkpolicies', READ],
  ['discovery.k8s.io', 'endpointslices', READ],
];
const EDIT: RuleRow[] = [
  ['', 'pods/attach pods/exec pods/portforward secrets', READ],
  ['', 'serviceaccounts', 'impersonate'],
  ['', 'configmaps events pods secrets serviceaccounts services pods/attach pods/exec pods/portforward', WRITE],
  ['', 'pods/eviction serviceaccounts/token', 'create'],
  ['apps', 'daemonsets deployments deployments/scale replicasets replicasets/scale', WRITE],
  ['policy', 'poddisruptionbudgets', WRITE],
  ['networking.k8s.io', 'networkpolicies', WRITE],
];
const ADMIN: RuleRow[] = [
  [RBAC_GROUP, 'roles rolebindings', `${READ} ${WRITE}`],
  ['authorization.k8s.io', 'localsubjectaccessreviews', 'create'],
];
const VIEW_DEVICES: RuleRow[] = [
  [DEVICES, 'devices devicemodels', READ],
  ['rules.kubeedge.io', 'rules ruleendpoints', READ],
];
const EDIT_DEVICES: RuleRow[] = [
  [DEVICES, 'devices devicemodels', WRITE],
  ['rules.kubeedge.io', 'rules ruleendpoints', WRITE],
];
/** What a program needs that sets desired values and reads reported ones. */
const OPERATE_DEVICES: RuleRow[] = [
  [DEVICES, 'devices', `${READ} patch`],
  [DEVICES, 'devicemodels', READ],
];
const BASIC: RuleRow[] = [
  ['authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews', 'create'],
  ['authentication.k8s.io', 'selfsubjectreviews', 'create'],
];
const HEALTH = ['/healthz', '/livez', '/readyz', '/version', '/version/'];
const DISCOVERY = ['/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*', ...HEALTH];

/** Cluster-wide roles, and to which group one is bound. */
const builtIns: readonly KubeObject[] = [
  clusterRole('cluster-admin', EVERYTHING.map(ruleBody)),
  binding('cluster-admin', [ADMIN_GROUP]),
  clusterRole('system:discovery', [urls(DISCOVERY)]),
  binding('system:discovery', [AUTHENTICATED]),
  clusterRole('system:basic-user', BASIC.map(ruleOf)),
  binding('system:basic-user', [AUTHENTICATED]),
  clusterRole('system:public-info-viewer', [urls(HEALTH)]),
  binding('system:public-info-viewer', [AUTHENTICATED, UNAUTHENTICATED]),
  aggregated('admin', []),
  aggregated('edit', ['admin']),
  aggregated('view', ['edit']),
  part('system:aggregate-to-admin', 'admin', ADMIN),
  part('system:aggregate-to-edit', 'edit', EDIT),
  part('system:aggregate-to-view', 'view', VIEW),
  part('hivelet:aggregate-to-edit', 'edit', EDIT_DEVICES),
  part('hivelet:aggregate-to-view', 'view', VIEW_DEVICES),
  clusterRole('device-operator', OPERATE_DEVICES.map(ruleOf)),
];

function clusterRole(name: string, rules: readonly Record<string, unknown>[], labels: Record<string, string> = {}): KubeObject {
  const metadata = { name, labels: { ...LABELS, ...labels }, annotations: { [AUTOUPDATE]: 'true' } };
  return { apiVersion: API_VERSION, kind: 'ClusterRole', metadata, rules };
}

/** Its rules are those of all roles with its label, users' own ones too. */
function aggregated(name: string, into: readonly string[]): KubeObject {
  const labels = Object.fromEntries(into.map((role) => [`${AGGREGATE}${role}`, 'true']));
  const clusterRoleSelectors = [{ matchLabels: { [`${AGGREGATE}${name}`]: 'true' } }];
  return { ...clusterRole(name, [], labels), aggregationRule: { clusterRoleSelectors } };
}

function part(name: string, into: string, rows: readonly RuleRow[]): KubeObject {
  return clusterRole(name, rows.map(ruleOf), { [`${AGGREGATE}${into}`]: 'true' });
}

function binding(role: string, groups: readonly string[]): KubeObject {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: { name: role, labels: LABELS, annotations: { [AUTOUPDATE]: 'true' } },
    roleRef: { apiGroup: RBAC_GROUP, kind: 'ClusterRole', name: role },
    subjects: groups.map((name) => ({ apiGroup: RBAC_GROUP, kind: 'Group', name })),
  };
}

function ruleOf([groups, resources, verbs]: RuleRow): Record<string, unknown> {
  return { apiGroups: groups.split(' '), resources: resources.split(' '), verbs: verbs.split(' ') };
}

function urls(nonResourceURLs: readonly string[]): Record<string, unknown> {
  return { nonResourceURLs, verbs: ['get'] };
}

/** Creates what is missing, and adds what this release has more: rules and subjects that were taken away come back, as on a cluster. */
export async function ensureRoles({ store, clock }: Pick<Engine, 'store' | 'clock'>): Promise<void> {
  const writes = builtIns.flatMap((builtIn) => {
    const resource = `${builtIn.kind.toLowerCase()}s.${RBAC_GROUP}`;
    const stored = store.get(resource, '', builtIn.metadata.name);
    const object = stored === undefined ? created(builtIn, timeText(clock.now())) : completed(parseObject(stored, API_VERSION), builtIn);
    return object === undefined ? [] : [store.write({ resource, object }).done];
  });
  await Promise.all(writes);
}

function created(builtIn: KubeObject, now: string): KubeObject {
  return { ...builtIn, metadata: { ...builtIn.metadata, uid: randomUUID(), creationTimestamp: now } };
}

/** Undefined where nothing is missing, or nothing is to be added. */
function completed(object: KubeObject, builtIn: KubeObject): KubeObject | undefined {
  if (object.metadata.annotations?.[AUTOUPDATE] !== 'true' || object.metadata.deletionTimestamp !== undefined) return undefined;
  const rules = own(object, 'aggregationRule') === undefined ? (uncovered(rulesIn(object), rulesIn(builtIn)) ?? []) : [];
  const known = new Set(recordsAt(object, 'subjects').map(({ kind, name }) => `${String(kind)} ${String(name)}`));
  const subjects = recordsAt(builtIn, 'subjects').filter(({ kind, name }) => !known.has(`${String(kind)} ${String(name)}`));
  if (rules.length === 0 && subjects.length === 0) return undefined;
  return {
    ...object,
    ...(rules.length === 0 ? {} : { rules: [...listAt(object, 'rules'), ...rules.map(ruleBody)] }),
    ...(subjects.length === 0 ? {} : { subjects: [...listAt(object, 'subjects'), ...subjects] }),
  };
}
