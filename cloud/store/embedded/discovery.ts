/** Owns discovery: which kinds are served, in the plain form and in the aggregated one. */
import { groupVersionOf, VERBS } from './kinds/kind.ts';
import type { Kind } from './kinds/kind.ts';
import type { Group, KindRegistry } from './kinds/registry.ts';

type Doc = Record<string, unknown>;

const SUBRESOURCE_VERBS = ['get', 'patch', 'update'];

export function apiVersions(address: string): Doc {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }] };
}

export function apiGroupList(registry: KindRegistry): Doc {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: named(registry).map(groupEntry) };
}

export function apiGroup(registry: KindRegistry, name: string): Doc | undefined {
  const group = registry.group(name);
  return group === undefined || name === '' ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(group) };
}

export function apiResourceList(registry: KindRegistry, group: string, version: string): Doc | undefined {
  const kinds = registry.version(group, version);
  if (kinds === undefined) return undefined;
  const groupVersion = groupVersionOf({ group, version });
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: kinds.flatMap(resourceEntries) };
}

/** Both `/api` and `/apis` have an aggregated form, `version` is that of the form: v2 or v2beta1. */
export function aggregated(registry: KindRegistry, { core, version }: { core: boolean; version: string }): Doc {
  const groups = core ? registry.groups().filter((group) => group.name === '') : named(registry);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group.name === '' ? {} : { name: group.name }), creationTimestamp: null },
      versions: group.versions.map(({ version: served, kinds }) => ({
        version: served,
        freshness: 'Current',
        resources: kinds.map(aggregatedResource),
      })),
    })),
  };
}

function named(registry: KindRegistry): Group[] {
  return registry.groups().filter((group) => group.name !== '');
}

function groupEntry({ name, versions }: Group): Doc {
  const entries = versions.map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

function resourceEntries(kind: Kind): Doc[] {
  const { plural, namespaced } = kind;
  const main = {
    name: plural,
    singularName: kind.singular,
    namespaced,
    kind: kind.kind,
    verbs: [...VERBS],
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
  };
  const status = { name: `${plural}/status`, singularName: '', namespaced, kind: kind.kind, verbs: SUBRESOURCE_VERBS };
  const scale = {
    name: `${plural}/scale`,
    singularName: '',
    namespaced,
    group: 'autoscaling',
    version: 'v1',
    kind: 'Scale',
    verbs: SUBRESOURCE_VERBS,
  };
  return [main, ...(kind.hasStatus ? [status] : []), ...(kind.scale === undefined ? [] : [scale])];
}

function aggregatedResource(kind: Kind): Doc {
  const responseKind = { group: kind.group, version: kind.version, kind: kind.kind };
  const subresources = [
    ...(kind.hasStatus ? [{ subresource: 'status', responseKind, verbs: SUBRESOURCE_VERBS }] : []),
    ...(kind.scale === undefined
      ? []
      : [{ subresource: 'scale', responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: SUBRESOURCE_VERBS }]),
  ];
  return {
    resource: kind.plural,
    responseKind,
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: [...VERBS],
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}
