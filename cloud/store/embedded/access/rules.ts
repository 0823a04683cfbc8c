/** Owns one rule of a role: what it allows, and whether other rules cover it. */
import { isRecord, listAt } from '../json-value.ts';
import { isPath } from './attempt.ts';
import type { Attempt } from './attempt.ts';

export interface PolicyRule {
  verbs: readonly string[];
  apiGroups: readonly string[];
  resources: readonly string[];
  /** Empty = all. */
  resourceNames: readonly string[];
  nonResourceURLs: readonly string[];
}

const ALL = '*';

export const EVERYTHING: readonly PolicyRule[] = [
  { verbs: [ALL], apiGroups: [ALL], resources: [ALL], resourceNames: [], nonResourceURLs: [] },
  { verbs: [ALL], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [ALL] },
];

export function rulesIn(role: unknown): PolicyRule[] {
  return listAt(role, 'rules')
    .filter(isRecord)
    .map((rule) => ({
      verbs: textsAt(rule, 'verbs'),
      apiGroups: textsAt(rule, 'apiGroups'),
      resources: textsAt(rule, 'resources'),
      resourceNames: textsAt(rule, 'resourceNames'),
      nonResourceURLs: textsAt(rule, 'nonResourceURLs'),
    }));
}

function textsAt(rule: unknown, field: string): string[] {
  return listAt(rule, field).filter((item) => typeof item === 'string');
}

/** As it stands in a role: without what is empty. */
export function ruleBody(rule: PolicyRule): Record<string, unknown> {
  return Object.fromEntries(Object.entries(rule).filter(([, items]) => (items as readonly string[]).length > 0));
}

export function ruleAllows(rule: PolicyRule, attempt: Attempt): boolean {
  if (!has(rule.verbs, attempt.verb)) return false;
  if (isPath(attempt)) return rule.nonResourceURLs.some((url) => urlCovers(url, attempt.path));
  return (
    has(rule.apiGroups, attempt.group) &&
    rule.resources.some((resource) => resourceCovers(resource, attempt)) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(attempt.name))
  );
}

function has(items: readonly string[], wanted: string): boolean {
  return items.includes(wanted) || items.includes(ALL);
}

function resourceCovers(allowed: string, { resource, subresource }: { resource: string; subresource: string }): boolean {
  if (allowed === ALL) return true;
  if (subresource === '') return allowed === resource;
  return allowed === `${resource}/${subresource}` || allowed === `*/${subresource}`;
}

function urlCovers(allowed: string, path: string): boolean {
  return allowed === path || (allowed.endsWith(ALL) && path.startsWith(allowed.slice(0, -1)));
}

/** More single rights than a role of people has; to look at each of them takes time. */
const MOST_RIGHTS = 20_000;

/**
 * The single rights in `wanted` that no rule of `held` covers, joined again by verb; undefined where there are too many to look at.
 */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] | undefined {
  if (wanted.reduce((sum, rule) => sum + countOf(rule), 0) > MOST_RIGHTS) return undefined;
  const missing = new Map<string, PolicyRule>();
  for (const rule of wanted) {
    if (held.some((own) => covers(own, rule))) continue;
    for (const single of singles(rule)) {
      if (!held.some((own) => covers(own, single))) join(missing, single);
    }
  }
  return [...missing.values()];
}

function countOf({ verbs, apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule): number {
  return verbs.length * (apiGroups.length * resources.length * Math.max(1, resourceNames.length) + nonResourceURLs.length);
}

function* singles(rule: PolicyRule): Generator<PolicyRule> {
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  for (const verb of rule.verbs) {
    for (const url of rule.nonResourceURLs) {
      yield { verbs: [verb], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [url] };
    }
    for (const group of rule.apiGroups) {
      for (const resource of rule.resources) {
        for (const resourceNames of names) {
          yield { verbs: [verb], apiGroups: [group], resources: [resource], resourceNames, nonResourceURLs: [] };
        }
      }
    }
  }
}

function join(missing: Map<string, PolicyRule>, single: PolicyRule): void {
  const { verbs, ...rest } = single;
  const key = JSON.stringify(rest);
  const before = missing.get(key);
  if (before === undefined) missing.set(key, single);
  else if (!before.verbs.includes(verbs[0] ?? '')) missing.set(key, { ...before, verbs: [...before.verbs, ...verbs] });
}

function covers(own: PolicyRule, rule: PolicyRule): boolean {
  const within = (items: readonly string[], wanted: readonly string[]): boolean =>
    items.includes(ALL) || wanted.every((item) => items.includes(item));
  if (!within(own.verbs, rule.verbs)) return false;
  if (!rule.nonResourceURLs.every((url) => own.nonResourceURLs.some((allowed) => urlCovers(allowed, url)))) return false;
  if (rule.resources.length === 0) return true;
  const named = own.resourceNames.length === 0 || (rule.resourceNames.length > 0 && within(own.resourceNames, rule.resourceNames));
  return named && within(own.apiGroups, rule.apiGroups) && rule.resources.every((wanted) => resourceWithin(own.resources, wanted));
}

function resourceWithin(allowed: readonly string[], wanted: string): boolean {
  if (allowed.includes(ALL) || allowed.includes(wanted)) return true;
  const at = wanted.indexOf('/');
  return at >= 0 && allowed.includes(`*${wanted.slice(at)}`);
}

/** In the words of the real server: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`. */
export function ruleText({ apiGroups, resources, nonResourceURLs, resourceNames, verbs }: PolicyRule): string {
  const parts: [string, readonly string[]][] = [
    ['APIGroups', apiGroups],
    ['Resources', resources],
    ['NonResourceURLs', nonResourceURLs],
    ['ResourceNames', resourceNames],
    ['Verbs', verbs],
  ];
  return `{${parts.flatMap(([name, items]) => (items.length === 0 ? [] : [`${name}:${goList(items)}`])).join(', ')}}`;
}

/** As `%q` writes a list in Go. */
export function goList(items: readonly string[]): string {
  return `[${items.map((item) => JSON.stringify(item)).join(' ')}]`;
}
