/** Owns work on parsed JSON: typed equality, copies, and access that is safe for keys such as `__proto__`. */

export type JsonRecord = Record<string, unknown>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member `key` that the value itself has, never one of its prototype. */
export function own(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Sets a member; `__proto__` becomes an ordinary one. */
export function setOwn(record: JsonRecord, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(record, key, { value, writable: true, enumerable: true, configurable: true });
  else record[key] = value;
}

/** Walks `path` through records only. */
export function dig(value: unknown, ...path: string[]): unknown {
  let current = value;
  for (const key of path) current = own(current, key);
  return current;
}

export function textAt(value: unknown, ...path: string[]): string {
  const found = dig(value, ...path);
  return typeof found === 'string' ? found : '';
}

export function listAt(value: unknown, ...path: string[]): unknown[] {
  const found = dig(value, ...path);
  return Array.isArray(found) ? (found as unknown[]) : [];
}

/** RFC 6902 section 4.6: same type, same value; the order of members does not count. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => deepEqual(item, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key], b[key]));
}

export function copy<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => copy(item)) as T;
  if (!isRecord(value)) return value;
  const result: JsonRecord = {};
  for (const key of Object.keys(value)) setOwn(result, key, copy(value[key]));
  return result as T;
}
