/** Owns discovery: which kinds are served, in the plain form and in the aggregated one. */
import { groupVersionOf } from './kinds/kind.ts';
import type { Kind, Subresource } from './kinds/kind.ts';
import type { Group, KindRegistry } from './kinds/registry.ts';

type Doc = Record<string, unknown>;

const SUBRESOURCE_VERBS = ['get', 'patch', 'update'];
const SCALE = { group: 'autoscaling', version: 'v1', kind: 'Scale' };

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
    verbs: [...kind.verbs],
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
  };
  const below = subresourcesOf(kind).map(({ name, group, version, kind: bodies, verbs }) => ({
    name: `${plural}/${name}`,
    singularName: '',
    namespaced,
    ...(group === undefined ? {} : { group, version }),
    kind: bodies,
    verbs,
  }));
  return [main, ...below];
}

/** All of them by name. */
function subresourcesOf(kind: Kind): Subresource[] {
  const found = [
    ...(kind.subresources ?? []),
    ...(kind.hasStatus ? [{ name: 'status', kind: kind.kind, verbs: SUBRESOURCE_VERBS }] : []),
    ...(kind.scale === undefined ? [] : [{ name: 'scale', ...SCALE, verbs: SUBRESOURCE_VERBS }]),
  ];
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function aggregatedResource(kind: Kind): Doc {
  const own = { group: kind.group, version: kind.version };
  const subresources = subresourcesOf(kind).map(({ name, kind: bodies, verbs, ...other }) => ({
    subresource: name,
    responseKind: { group: other.group ?? own.group, version: other.version ?? own.version, kind: bodies },
    verbs,
  }));
  return {
    resource: kind.plural,
    responseKind: { ...own, kind: kind.kind },
    scope: kind.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: kind.singular,
    verbs: [...kind.verbs],
    ...(kind.shortNames.length === 0 ? {} : { shortNames: kind.shortNames }),
    ...(kind.categories.length === 0 ? {} : { categories: kind.categories }),
    ...(subresources.length === 0 ? {} : { subresources }),
  };
}
