/** Owns entries of managers as the server keeps them: sets as JSON text, one text for all objects that have the same set. */
import type { FieldSet, ManagedFieldsEntry } from '../../kube-api.ts';
import type { Managers } from './managers.ts';

/** Immutable, and shared by the versions of an object as long as its fields have the same owners. */
export interface PackedManager {
  /** JSON of the entry up to the set, and of what comes behind it. */
  readonly head: Omit<ManagedFieldsEntry, 'fieldsV1' | 'subresource'>;
  readonly subresource: string | undefined;
  /** JSON of the set. */
  readonly fields: string;
}

interface Known {
  text: string;
  set: FieldSet;
}

/** Characters of sets that are kept parsed: those of the objects that are written often, and of fleets of the same kind. */
const KEPT = 256 * 1024;
const known = new Map<string, Known>();
let kept = 0;
const texts = new WeakMap<FieldSet, string>();

/** The sets must not be changed afterwards. */
export function packManagers(entries: Managers): readonly PackedManager[] {
  return entries.map(({ fieldsV1, subresource, ...head }) => ({ head, subresource, fields: textOf(fieldsV1) }));
}

/** The sets are shared: to change one, copy it. */
export function unpackManagers(packed: readonly PackedManager[]): ManagedFieldsEntry[] {
  return packed.map(({ head, subresource, fields }) => ({
    ...head,
    fieldsV1: setOf(fields),
    ...(subresource === undefined ? {} : { subresource }),
  }));
}

/** JSON of the list. */
export function managersText(packed: readonly PackedManager[]): string {
  const entries = packed.map(({ head, subresource, fields }) => {
    const tail = subresource === undefined ? '' : `,"subresource":${JSON.stringify(subresource)}`;
    return `${JSON.stringify(head).slice(0, -1)},"fieldsV1":${fields}${tail}}`;
  });
  return `[${entries.join(',')}]`;
}

function textOf(set: FieldSet): string {
  const before = texts.get(set);
  if (before !== undefined) return before;
  const { text } = remember(JSON.stringify(set), () => set);
  texts.set(set, text);
  return text;
}

function setOf(text: string): FieldSet {
  const { set } = remember(text, () => JSON.parse(text) as FieldSet);
  texts.set(set, text);
  return set;
}

/** What was used last stays longest. */
function remember(text: string, parse: () => FieldSet): Known {
  const found = known.get(text) ?? { text, set: parse() };
  if (known.delete(text)) kept -= text.length;
  known.set(found.text, found);
  kept += text.length;
  for (const [oldest] of known) {
    if (kept <= KEPT || oldest === text) break;
    known.delete(oldest);
    kept -= oldest.length;
  }
  return found;
}
