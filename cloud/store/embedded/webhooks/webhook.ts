/** Owns what one webhook of a ValidatingWebhookConfiguration asks for, read once, and which requests it is for. */
import type { KubeObject } from '../../kube-api.ts';
import { dig, listAt, textAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { labelsTest } from '../label-selector-object.ts';
import type { LabelsTest } from '../label-selector-object.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface ServiceAddress {
  namespace: string;
  name: string;
  port: number;
  /** With a leading `/`. */
  path: string;
}

export interface Webhook {
  name: string;
  configuration: string;
  rules: readonly Rule[];
  exact: boolean;
  /** Undefined = every namespace, every object. */
  namespaces: LabelsTest | undefined;
  objects: LabelsTest | undefined;
  ignoreFailure: boolean;
  timeoutMs: number;
  /** False: it must not be called in a dry run. */
  dryRun: boolean;
  target: string | ServiceAddress;
  /** PEM; absent: the authorities of the system. */
  ca: string | undefined;
}

export interface Rule {
  groups: readonly unknown[];
  versions: readonly unknown[];
  operations: readonly unknown[];
  /** Resource and subresource, '' = none. */
  resources: readonly (readonly [resource: string, subresource: string])[];
  scope: string;
}

/** What of a request counts for the rules. */
export interface Asked {
  kind: Kind;
  subresource: string | undefined;
  namespace: string | undefined;
  operation: Operation;
}

const SECOND_MS = 1000;

export function webhooksOf(configuration: KubeObject): Webhook[] {
  return listAt(configuration, 'webhooks').map((written) => ({
    name: textAt(written, 'name'),
    configuration: configuration.metadata.name,
    rules: listAt(written, 'rules').map(ruleOf),
    exact: textAt(written, 'matchPolicy') === 'Exact',
    namespaces: labelsTest(dig(written, 'namespaceSelector')),
    objects: labelsTest(dig(written, 'objectSelector')),
    ignoreFailure: textAt(written, 'failurePolicy') === 'Ignore',
    timeoutMs: (numberAt(written, 'timeoutSeconds') ?? 10) * SECOND_MS,
    dryRun: ['None', 'NoneOnDryRun'].includes(textAt(written, 'sideEffects')),
    target: targetOf(dig(written, 'clientConfig')),
    ca: bundleOf(textAt(written, 'clientConfig', 'caBundle')),
  }));
}

function ruleOf(rule: unknown): Rule {
  const split = (text: unknown): readonly [string, string] => {
    const [resource = '', subresource = ''] = String(text).split('/');
    return [resource, subresource];
  };
  return {
    groups: listAt(rule, 'apiGroups'),
    versions: listAt(rule, 'apiVersions'),
    operations: listAt(rule, 'operations'),
    resources: listAt(rule, 'resources').map(split),
    scope: textAt(rule, 'scope'),
  };
}

function targetOf(client: unknown): string | ServiceAddress {
  const url = textAt(client, 'url');
  if (url !== '') return url;
  const path = textAt(client, 'service', 'path');
  return {
    namespace: textAt(client, 'service', 'namespace'),
    name: textAt(client, 'service', 'name'),
    port: numberAt(dig(client, 'service'), 'port') ?? 443,
    path: path.startsWith('/') ? path : `/${path}`,
  };
}

function bundleOf(encoded: string): string | undefined {
  return encoded === '' ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
}

function numberAt(value: unknown, key: string): number | undefined {
  const found = dig(value, key);
  return typeof found === 'number' ? found : undefined;
}

/**
 * The version in which the webhook wants to see the request: its own where a rule names it, else, unless it matches exactly, another one
 * of the same resource. Undefined: the request is not for this webhook.
 */
export function versionFor({ rules, exact }: Webhook, asked: Asked, versions: readonly Kind[]): Kind | undefined {
  const { subresource, namespace, operation } = asked;
  const matches = (kind: Kind): boolean => rules.some((rule) => ruleMatches(rule, { kind, subresource, namespace, operation }));
  if (matches(asked.kind)) return asked.kind;
  return exact ? undefined : versions.find((kind) => kind.resource === asked.kind.resource && matches(kind));
}

function ruleMatches(rule: Rule, { kind, subresource = '', namespace, operation }: Asked): boolean {
  return (
    holds(rule.operations, operation) &&
    holds(rule.groups, kind.group) &&
    holds(rule.versions, kind.version) &&
    scopeMatches(rule.scope, kind, namespace) &&
    rule.resources.some(([resource, below]) => (resource === '*' || resource === kind.plural) && (below === '*' || below === subresource))
  );
}

function holds(list: readonly unknown[], value: string): boolean {
  return list.includes('*') || list.includes(value);
}

/** A namespace itself is of the cluster. */
function scopeMatches(scope: string, { namespaced }: Kind, namespace: string | undefined): boolean {
  if (scope === '' || scope === '*') return true;
  return (scope === 'Namespaced') === (namespaced && namespace !== undefined);
}
