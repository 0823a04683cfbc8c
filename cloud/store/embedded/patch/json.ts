/** Owns JSON Patch (RFC 6902) and JSON Pointer (RFC 6901). */
import type { JsonPatchOperation } from '../../kube-api.ts';
import { copy, deepEqual, isRecord, setOwn } from '../json-value.ts';

/** An operation cannot be done; nothing of the patch counts then. */
export class JsonPatchError extends Error {}

/** Operations beyond this are refused, as Kubernetes does. */
export const MOST_OPERATIONS = 10_000;
/** What all copies of a patch may add up to, in characters of JSON: each could double the document. */
const MOST_COPIED = 3 * 1024 * 1024;
/** As deep as a body may be: deeper, by one patch upon another, walking the object would end the stack. */
const DEEPEST = 256;

/** Returns the patched document; `document` itself may be changed. Throws `JsonPatchError` at the first operation that fails. */
export function applyJsonPatch(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  if (operations.length > MOST_OPERATIONS) throw new JsonPatchError(`more than ${MOST_OPERATIONS} operations`);
  // The holder makes the document itself addressable: the pointer '' is its member 'root'.
  const holder = { root: document, copied: 0 };
  for (const operation of operations) applyOne(holder, operation);
  if (isDeeper(holder.root, DEEPEST)) throw new JsonPatchError(`nested deeper than ${DEEPEST} levels`);
  return holder.root;
}

interface Holder {
  root: unknown;
  copied: number;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}

function copied(holder: Holder, value: unknown): unknown {
  if (isDeeper(value, DEEPEST)) throw new JsonPatchError(`nested deeper than ${DEEPEST} levels`);
  holder.copied += JSON.stringify(value).length;
  if (holder.copied > MOST_COPIED) throw new JsonPatchError(`copies of more than ${MOST_COPIED} characters`);
  return copy(value);
}

function applyOne(holder: Holder, operation: JsonPatchOperation): void {
  const path = parsePointer(operation.path);
  switch (operation.op) {
    case 'add':
      return insert(holder, path, valueOf(operation));
    case 'replace': {
      const value = valueOf(operation);
      take(holder, path);
      return insert(holder, path, value);
    }
    case 'remove':
      take(holder, path);
      return;
    case 'move': {
      const from = parsePointer(operation.from);
      if (path.length > from.length && from.every((part, index) => part === path[index])) {
        throw new JsonPatchError(`cannot move ${operation.from} into itself`);
      }
      return insert(holder, path, take(holder, from));
    }
    case 'copy':
      return insert(holder, path, copied(holder, look(holder.root, parsePointer(operation.from))));
    case 'test':
      if (deepEqual(look(holder.root, path), valueOf(operation))) return;
      throw new JsonPatchError(`test failed at ${operation.path}`);
    default:
      throw new JsonPatchError(`unknown operation ${JSON.stringify(operation.op)}`);
  }
}

/** RFC 6901: '' is the whole document, `~1` is `/`, `~0` is `~`. */
export function parsePointer(pointer: unknown): string[] {
  if (pointer === '') return [];
  if (typeof pointer !== 'string' || !pointer.startsWith('/')) throw new JsonPatchError(`not a JSON pointer: ${JSON.stringify(pointer)}`);
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function valueOf(operation: JsonPatchOperation): unknown {
  if (!Object.hasOwn(operation, 'value')) throw new JsonPatchError(`${operation.op} at ${operation.path} has no value`);
  return operation.value;
}

function look(root: unknown, path: readonly string[]): unknown {
  let current = root;
  for (const part of path) current = child(current, part);
  return current;
}

function child(parent: unknown, part: string): unknown {
  if (Array.isArray(parent)) return (parent as unknown[])[indexOf(part, parent.length - 1)];
  if (isRecord(parent) && Object.hasOwn(parent, part)) return parent[part];
  throw new JsonPatchError(`no member ${JSON.stringify(part)}`);
}

function insert(holder: Holder, path: readonly string[], value: unknown): void {
  const last = path.at(-1);
  if (last === undefined) {
    holder.root = value;
    return;
  }
  const parent = look(holder.root, path.slice(0, -1));
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : indexOf(last, parent.length), 0, value);
  else if (isRecord(parent)) setOwn(parent, last, value);
  else throw new JsonPatchError(`/${path.join('/')} has no parent`);
}

/** Removes and returns what is there. */
function take(holder: Holder, path: readonly string[]): unknown {
  const last = path.at(-1);
  if (last === undefined) {
    const whole = holder.root;
    holder.root = null;
    return whole;
  }
  const parent = look(holder.root, path.slice(0, -1));
  const value = child(parent, last);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isRecord(parent)) delete parent[last];
  return value;
}

function indexOf(part: string, highest: number): number {
  if (!/^(0|[1-9][0-9]{0,8})$/.test(part) || Number(part) > highest) throw new JsonPatchError(`no index ${JSON.stringify(part)}`);
  return Number(part);
}
