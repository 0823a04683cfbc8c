/** Owns which kinds are served now, and in which order discovery names versions. */
import type { KubeObject } from '../../kube-api.ts';
import { builtinKinds } from './builtin.ts';
import { kindsOf } from './custom.ts';
import type { Kind } from './kind.ts';

export interface Group {
  /** '' is the core group. */
  name: string;
  /** Best first; the first one is preferred. */
  versions: { version: string; kinds: Kind[] }[];
}

export class KindRegistry {
  readonly #kinds = new Map<string, Kind>();
  /** Keys of the kinds of each CustomResourceDefinition, by its name. */
  readonly #custom = new Map<string, string[]>();
  #revision = 0;
  #groups: Group[] | undefined;

  constructor() {
    for (const kind of builtinKinds) this.#kinds.set(keyOf(kind), kind);
  }

  /** Goes up with each change: what is derived from the kinds is made anew then. */
  get revision(): number {
    return this.#revision;
  }

  find(group: string, version: string, plural: string): Kind | undefined {
    return this.#kinds.get(`${group}/${version}/${plural}`);
  }

  all(): Kind[] {
    return [...this.#kinds.values()];
  }

  /** Replaces the kinds of this definition by those that it has now. */
  install(crd: KubeObject): void {
    this.remove(crd.metadata.name);
    const kinds = kindsOf(crd);
    this.#custom.set(crd.metadata.name, kinds.map(keyOf));
    for (const kind of kinds) this.#kinds.set(keyOf(kind), kind);
    this.#changed();
  }

  /** Its kinds are no longer served; their objects are the caller's business. */
  remove(crdName: string): void {
    for (const key of this.#custom.get(crdName) ?? []) this.#kinds.delete(key);
    if (this.#custom.delete(crdName)) this.#changed();
  }

  groups(): Group[] {
    this.#groups ??= groupsOf(this.all());
    return this.#groups;
  }

  group(name: string): Group | undefined {
    return this.groups().find((group) => group.name === name);
  }

  /** The kinds of `group/version`; undefined when nothing is served there. */
  version(group: string, version: string): Kind[] | undefined {
    return this.group(group)?.versions.find((each) => each.version === version)?.kinds;
  }

  #changed(): void {
    this.#revision += 1;
    this.#groups = undefined;
  }
}

function keyOf(kind: Kind): string {
  return `${kind.group}/${kind.version}/${kind.plural}`;
}

function groupsOf(kinds: readonly Kind[]): Group[] {
  const groups = new Map<string, Map<string, Kind[]>>();
  for (const kind of kinds) {
    const versions = groups.get(kind.group) ?? new Map<string, Kind[]>();
    groups.set(kind.group, versions);
    versions.set(kind.version, [...(versions.get(kind.version) ?? []), kind]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, versions]) => ({
      name,
      versions: [...versions]
        .sort(([a], [b]) => compareVersions(a, b))
        .map(([version, found]) => ({ version, kinds: found.sort((a, b) => (a.plural < b.plural ? -1 : 1)) })),
    }));
}

/** Best first: v2 before v1 before v1beta2 before v1beta1 before v1alpha1 before names of another form. */
export function compareVersions(a: string, b: string): number {
  const left = rankOf(a);
  const right = rankOf(b);
  for (const [index, part] of left.entries()) {
    const difference = (right[index] ?? 0) - part;
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function rankOf(version: string): number[] {
  const found = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (found === null) return [0, 0, 0];
  const stage = found[2] === 'alpha' ? 1 : found[2] === 'beta' ? 2 : 3;
  return [stage, Number(found[1]), Number(found[3] ?? 0)];
}
