/** Owns sets of fields in the form of FieldsV1, and their algebra: union, difference, intersection. */
import type { FieldSet } from '../../kube-api.ts';
import { isRecord } from '../json-value.ts';

/** In a node that has children: the node itself is in the set too. A node without children always is. */
const SELF = '.';
/** `f:` a member by name, `k:` an item by its keys, `v:` an item by its value, `i:` an item by its index. */
const ELEMENT = /^[fkvi]:/;

export const EMPTY: FieldSet = Object.freeze({});

/** The field at this node is in the set, whatever is below it. */
export function isMember(node: FieldSet): boolean {
  return Object.hasOwn(node, SELF) || isEmpty(node);
}

/** A node from its two parts; undefined when nothing of it is in the set. */
export function nodeOf(member: boolean, children: FieldSet): FieldSet | undefined {
  if (isEmpty(children)) return member ? {} : undefined;
  return member ? { [SELF]: {}, ...children } : children;
}

/** Of a whole set, not of a node in it. */
export function isEmpty(set: FieldSet): boolean {
  for (const key in set) if (key !== SELF) return false;
  return true;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(b)) return a;
  const result: FieldSet = {};
  for (const [key, node] of Object.entries(a)) {
    if (key === SELF) continue;
    const other = b[key];
    result[key] = other === undefined ? node : (nodeOf(isMember(node) || isMember(other), union(node, other)) ?? {});
  }
  for (const [key, node] of Object.entries(b)) if (key !== SELF && !Object.hasOwn(a, key)) result[key] = node;
  return result;
}

/** What is in `a` and not in `b`; a field does not take its children with it. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [key, node] of Object.entries(a)) {
    if (key === SELF) continue;
    const other = b[key];
    const left = other === undefined ? node : nodeOf(isMember(node) && !isMember(other), difference(node, other));
    if (left !== undefined) result[key] = left;
  }
  return result;
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const [key, node] of Object.entries(a)) {
    const other = key === SELF ? undefined : b[key];
    if (other === undefined) continue;
    const both = nodeOf(isMember(node) && isMember(other), intersection(node, other));
    if (both !== undefined) result[key] = both;
  }
  return result;
}

export function intersects(a: FieldSet, b: FieldSet): boolean {
  for (const key in a) {
    const node = a[key];
    const other = b[key];
    if (key === SELF || node === undefined || other === undefined) continue;
    if ((isMember(node) && isMember(other)) || intersects(node, other)) return true;
  }
  return false;
}

/** All of `part` is in `whole`. */
export function includes(whole: FieldSet, part: FieldSet): boolean {
  for (const key in part) {
    const node = part[key];
    if (key === SELF || node === undefined) continue;
    const other = whole[key];
    if (other === undefined || (isMember(node) && !isMember(other)) || !includes(other, node)) return false;
  }
  return true;
}

export function sameFields(a: FieldSet, b: FieldSet): boolean {
  return includes(a, b) && includes(b, a);
}

/** In the order in which a real server writes it. */
export function sorted(set: FieldSet): FieldSet {
  const result: FieldSet = {};
  for (const key of Object.keys(set).sort()) {
    const node = set[key];
    if (node !== undefined) result[key] = sorted(node);
  }
  return result;
}

/** The path of each field, parents before children. */
export function pathsOf(set: FieldSet, above: readonly string[] = []): string[][] {
  const paths: string[][] = [];
  for (const key of Object.keys(set).sort()) {
    const node = set[key];
    if (key === SELF || node === undefined) continue;
    const path = [...above, key];
    if (isMember(node)) paths.push(path);
    paths.push(...pathsOf(node, path));
  }
  return paths;
}

export function setOf(paths: readonly (readonly string[])[]): FieldSet {
  let set: FieldSet = {};
  for (const path of paths) {
    const node = path.reduceRight<FieldSet>((inner, key) => ({ [key]: inner }), {});
    set = union(set, node);
  }
  return set;
}

/** As Kubernetes names fields in conflicts: `.spec.containers[name="a"].image`. */
export function pathText(path: readonly string[]): string {
  return path.map(elementText).join('');
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith('f:')) return `.${rest}`;
  if (element.startsWith('v:')) return `[=${rest}]`;
  if (element.startsWith('i:')) return `[${rest}]`;
  const keys = JSON.parse(rest) as Record<string, unknown>;
  const parts = Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `[${parts.join(',')}]`;
}

/** A set that a client wrote: elements of kinds that nobody knows are left out. Undefined when it is no set at all. */
export function readFieldSet(value: unknown): FieldSet | undefined {
  if (!isRecord(value)) return undefined;
  const result: FieldSet = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key !== SELF && key[1] !== ':') return undefined;
    const node = readFieldSet(inner);
    if (node === undefined || !isReadable(key)) return undefined;
    if (key === SELF || ELEMENT.test(key)) result[key] = node;
  }
  return result;
}

function isReadable(element: string): boolean {
  const rest = element.slice(2);
  if (element.startsWith('i:')) return /^-?\d+$/.test(rest);
  if (!element.startsWith('k:') && !element.startsWith('v:')) return true;
  try {
    const parsed: unknown = JSON.parse(rest);
    return element.startsWith('v:') || isRecord(parsed);
  } catch {
    return false;
  }
}
