/** Owns defaults and checks of roles, bindings, network policies and disruption budgets, which nobody enforces here, and of webhook configurations. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { deepEqual, isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { forbiddenField, invalidValue, required, unsupportedValue } from '../status.ts';
import { checkOneOf, duplicate, ensureRecord, fill, recordsAt } from './checks.ts';

const RBAC = 'rbac.authorization.k8s.io';

export function checkRole(object: KubeObject): StatusCause[] {
  const namespaced = object.kind === 'Role';
  return recordsAt(object, 'rules').flatMap((rule, index) => {
    const at = `rules[${index}]`;
    const urls = listAt(rule, 'nonResourceURLs');
    const causes: StatusCause[] = [];
    if (listAt(rule, 'verbs').length === 0) causes.push(required(`${at}.verbs`, 'verbs must contain at least one value'));
    if (urls.length > 0) {
      const why = 'namespaced rules cannot apply to non-resource URLs';
      if (namespaced) causes.push(invalidValue(`${at}.nonResourceURLs`, JSON.stringify(urls), why));
      return causes;
    }
    if (listAt(rule, 'apiGroups').length === 0)
      causes.push(required(`${at}.apiGroups`, 'resource rules must supply at least one api group'));
    if (listAt(rule, 'resources').length === 0)
      causes.push(required(`${at}.resources`, 'resource rules must supply at least one resource'));
    return causes;
  });
}

export function prepareBinding(object: KubeObject): void {
  const role = own(object, 'roleRef');
  if (isRecord(role)) fill(role, { apiGroup: RBAC });
  for (const subject of recordsAt(object, 'subjects')) {
    if (subject['kind'] === 'User' || subject['kind'] === 'Group') fill(subject, { apiGroup: RBAC });
  }
}

export function checkBinding(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const role = own(object, 'roleRef');
  const kinds = object.kind === 'RoleBinding' ? ['ClusterRole', 'Role'] : ['ClusterRole'];
  const causes: StatusCause[] = [];
  if (textAt(role, 'apiGroup') !== RBAC) causes.push(unsupportedValue('roleRef.apiGroup', textAt(role, 'apiGroup'), [RBAC]));
  if (!kinds.includes(textAt(role, 'kind'))) causes.push(unsupportedValue('roleRef.kind', textAt(role, 'kind'), kinds));
  if (textAt(role, 'name') === '') causes.push(required('roleRef.name'));
  for (const [index, subject] of recordsAt(object, 'subjects').entries()) causes.push(...checkSubject(subject, `subjects[${index}]`));
  if (previous !== undefined && !deepEqual(previous['roleRef'], role)) {
    causes.push(invalidValue('roleRef', JSON.stringify(role), 'cannot change roleRef'));
  }
  return causes;
}

function checkSubject(subject: JsonRecord, at: string): StatusCause[] {
  const kind = textAt(subject, 'kind');
  if (textAt(subject, 'name') === '') return [required(`${at}.name`)];
  if (kind === 'ServiceAccount') return textAt(subject, 'namespace') === '' ? [required(`${at}.namespace`)] : [];
  return kind === 'User' || kind === 'Group' ? [] : [unsupportedValue(`${at}.kind`, kind, ['Group', 'ServiceAccount', 'User'])];
}

export function prepareNetworkPolicy(object: KubeObject): void {
  const spec = ensureRecord(object, 'spec');
  const egress = Array.isArray(own(spec, 'egress')) && listAt(spec, 'egress').length > 0;
  fill(spec, { podSelector: {}, policyTypes: egress ? ['Ingress', 'Egress'] : ['Ingress'] });
  for (const rule of [...recordsAt(spec, 'ingress'), ...recordsAt(spec, 'egress')]) {
    for (const port of recordsAt(rule, 'ports')) fill(port, { protocol: 'TCP' });
  }
}

export function checkNetworkPolicy(object: KubeObject): StatusCause[] {
  return listAt(object, 'spec', 'policyTypes').flatMap((type, index) =>
    checkOneOf(type, `spec.policyTypes[${index}]`, ['Egress', 'Ingress']),
  );
}

export function prepareBudget(object: KubeObject, previous: KubeObject | undefined): void {
  ensureRecord(object, 'spec');
  if (previous !== undefined) return;
  object['status'] = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
}

export function checkBudget(object: KubeObject): StatusCause[] {
  const spec = own(object, 'spec');
  if (own(spec, 'minAvailable') === undefined || own(spec, 'maxUnavailable') === undefined) return [];
  return [invalidValue('spec', '{minAvailable, maxUnavailable}', 'minAvailable and maxUnavailable cannot be both set')];
}

export function prepareWebhooks(object: KubeObject): void {
  for (const webhook of recordsAt(object, 'webhooks')) {
    fill(webhook, { failurePolicy: 'Fail', matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {}, timeoutSeconds: 10 });
    for (const rule of recordsAt(webhook, 'rules')) fill(rule, { scope: '*' });
    const service = own(own(webhook, 'clientConfig'), 'service');
    if (isRecord(service)) fill(service, { port: 443 });
  }
}

export function checkWebhooks(object: KubeObject): StatusCause[] {
  const names = new Set<string>();
  return recordsAt(object, 'webhooks').flatMap((webhook, index) => {
    const at = `webhooks[${index}]`;
    const name = textAt(webhook, 'name');
    const causes: StatusCause[] = [];
    if (name.split('.').filter((part) => part !== '').length < 3) {
      causes.push(invalidValue(`${at}.name`, name, 'should be a domain with at least three segments separated by dots'));
    }
    if (names.has(name)) causes.push(duplicate(`${at}.name`, name));
    names.add(name);
    return [...causes, ...checkWebhook(webhook, at)];
  });
}

function checkWebhook(webhook: JsonRecord, at: string): StatusCause[] {
  const causes: StatusCause[] = [];
  const effects = ['None', 'NoneOnDryRun'];
  if (!effects.includes(textAt(webhook, 'sideEffects'))) {
    causes.push(unsupportedValue(`${at}.sideEffects`, textAt(webhook, 'sideEffects'), effects));
  }
  const versions = listAt(webhook, 'admissionReviewVersions');
  if (versions.length === 0) {
    causes.push(required(`${at}.admissionReviewVersions`, 'must specify one of v1'));
  } else if (!versions.includes('v1')) {
    causes.push(invalidValue(`${at}.admissionReviewVersions`, JSON.stringify(versions), 'must include at least one of v1'));
  }
  // Called all the same, it would be asked about what it does not want to judge.
  if (listAt(webhook, 'matchConditions').length > 0) causes.push(forbiddenField(`${at}.matchConditions`, 'CEL is not evaluated here'));
  causes.push(
    ...checkOneOf(webhook['failurePolicy'], `${at}.failurePolicy`, ['Fail', 'Ignore']),
    ...checkOneOf(webhook['matchPolicy'], `${at}.matchPolicy`, ['Equivalent', 'Exact']),
  );
  const timeout = webhook['timeoutSeconds'];
  if (typeof timeout === 'number' && (timeout < 1 || timeout > 30)) {
    causes.push(invalidValue(`${at}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds'));
  }
  return [...causes, ...checkClientConfig(own(webhook, 'clientConfig'), `${at}.clientConfig`)];
}

function checkClientConfig(client: unknown, at: string): StatusCause[] {
  const url = textAt(client, 'url');
  const service = own(client, 'service');
  if ((url === '') === (service === undefined)) return [required(at, 'exactly one of url or service is required')];
  if (url !== '') return url.startsWith('https://') ? [] : [invalidValue(`${at}.url`, url, "'https' is the only allowed URL scheme")];
  return ['name', 'namespace'].filter((key) => textAt(service, key) === '').map((key) => required(`${at}.service.${key}`));
}

export function checkEndpointSlice(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const type = textAt(object, 'addressType');
  const types = ['FQDN', 'IPv4', 'IPv6'];
  if (type === '') return [required('addressType')];
  if (!types.includes(type)) return [unsupportedValue('addressType', type, types)];
  if (previous !== undefined && previous['addressType'] !== type) return [forbiddenField('addressType', 'field is immutable')];
  return [];
}
