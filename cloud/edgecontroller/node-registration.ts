/** Owns what a registration puts into a Node: everything into a new one, into one that is there only what the edge itself has changed since. Pure. */
import { fieldsOf, listOf } from '#device-models/fields.ts';
import type { KubeObject, KubeObjectInput } from '../store/kube-api.ts';

type Fields = Record<string, unknown>;
type Texts = Record<string, string>;

/** Marks the nodes that cloudcore answers for; on a real cluster the others belong to kubelets. */
export const EDGE_LABEL = 'node-role.kubernetes.io/edge';
/** What the edge said at its last registration: what differs from it now was changed at the edge, all the rest belongs to users. */
export const REGISTERED = 'node.hivelet.dev/registered';

interface Registered {
  labels: Texts;
  annotations: Texts;
  taints: Fields[];
}

export function isEdgeNode(node: KubeObject): boolean {
  return Object.hasOwn(node.metadata.labels ?? {}, EDGE_LABEL);
}

/** The Node to create; a node that never registered with us gets the labels that edges use. */
export function newNode(name: string, registration: Fields | undefined): KubeObjectInput {
  const said = registeredOf(registration);
  const labels = {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': 'linux',
    'node-role.kubernetes.io/agent': '',
    [EDGE_LABEL]: '',
    ...said.labels,
  };
  const annotations = registration === undefined ? {} : { ...said.annotations, [REGISTERED]: JSON.stringify(said) };
  return {
    metadata: { name, labels, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) },
    spec: said.taints.length === 0 ? {} : { taints: said.taints },
  };
}

/**
 * The merge patch that a registration makes of a Node that is there; undefined = none. A label, annotation or taint that a user set,
 * changed or took away stays as the user left it until the edge is told another value by its own configuration. A Node that somebody made
 * before the edge came only gets what it lacks.
 */
export function registrationPatch(node: KubeObject, registration: Fields | undefined): Fields | undefined {
  if (registration === undefined) return undefined;
  const said = registeredOf(registration);
  const record = JSON.stringify(said);
  const before = recorded(node);
  if (before !== undefined && JSON.stringify(before) === record) return undefined;
  const labels = textsPatch(node.metadata.labels ?? {}, { before: before?.labels, now: said.labels });
  const annotations = textsPatch(node.metadata.annotations ?? {}, { before: before?.annotations, now: said.annotations });
  const present = listOf(fieldsOf(node['spec'])?.['taints']).flatMap((taint): Fields[] => maybe(fieldsOf(taint)));
  const taints = taintsAfter(present, { before: before?.taints, now: said.taints });
  return {
    metadata: {
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      annotations: { ...annotations, [REGISTERED]: record },
    },
    ...(JSON.stringify(taints) === JSON.stringify(present) ? {} : { spec: { taints } }),
  };
}

/** null takes a key away, as in a merge patch. */
function textsPatch(present: Texts, { before, now }: { before: Texts | undefined; now: Texts }): Record<string, string | null> {
  const patch: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(now)) {
    const changed = before === undefined ? present[key] === undefined : before[key] !== value;
    if (changed && present[key] !== value) patch[key] = value;
  }
  for (const [key, value] of Object.entries(before ?? {})) {
    if (!Object.hasOwn(now, key) && present[key] === value) patch[key] = null;
  }
  return patch;
}

function taintsAfter(present: Fields[], { before = [], now }: { before: Fields[] | undefined; now: Fields[] }): Fields[] {
  const idOf = (taint: Fields): string => `${String(taint['key'])}:${String(taint['effect'])}`;
  const has = (list: Fields[], taint: Fields): boolean => list.some((each) => JSON.stringify(each) === JSON.stringify(taint));
  const fresh = now.filter((taint) => !has(before, taint));
  const dropped = before.filter((taint) => !now.some((each) => idOf(each) === idOf(taint)));
  const kept = present.filter((taint) => !has(dropped, taint) && !fresh.some((each) => idOf(each) === idOf(taint)));
  return [...kept, ...fresh];
}

function recorded(node: KubeObject): Registered | undefined {
  const text = node.metadata.annotations?.[REGISTERED];
  if (text === undefined) return undefined;
  try {
    const fields = fieldsOf(JSON.parse(text));
    return fields === undefined ? undefined : pickRegistered(fields);
  } catch {
    // Somebody wrote into it: as if it had never been there.
    return undefined;
  }
}

function registeredOf(registration: Fields | undefined): Registered {
  const { labels, annotations } = fieldsOf(registration?.['metadata']) ?? {};
  return pickRegistered({ labels, annotations, taints: fieldsOf(registration?.['spec'])?.['taints'] });
}

function pickRegistered({ labels, annotations, taints }: Fields): Registered {
  const { [REGISTERED]: _ours, ...others } = textMap(annotations);
  return { labels: textMap(labels), annotations: others, taints: listOf(taints).flatMap((taint) => maybe(readTaint(taint))) };
}

function maybe(fields: Fields | undefined): Fields[] {
  return fields === undefined ? [] : [fields];
}

/** Only what makes a taint; one without key or effect is none. */
function readTaint(value: unknown): Fields | undefined {
  const { key, value: text, effect } = fieldsOf(value) ?? {};
  if (typeof key !== 'string' || key === '' || typeof effect !== 'string' || effect === '') return undefined;
  return { key, ...(typeof text === 'string' && text !== '' ? { value: text } : {}), effect };
}

function textMap(value: unknown): Texts {
  const entries = Object.entries(fieldsOf(value) ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return Object.fromEntries(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
}
