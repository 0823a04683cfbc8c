/** Owns reading of untyped YAML and JSON: fields whatever their spelling, texts and numbers whatever their scalar type. */
import { booleanOf } from './values.ts';

export type Fields = Record<string, unknown>;

/** The mapping behind a value; undefined for null, lists and scalars. */
export function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** The list behind a value; empty for everything else. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

/**
 * The field `name`, spelt exactly or, failing that, in any case and with or without `_` and `-` (`slaveID`, `slaveid`, `slave_id`):
 * configData is free form and mappers differ. Inherited names such as `constructor` are no fields.
 */
export function field(fields: Fields | undefined, name: string): unknown {
  if (fields === undefined) return undefined;
  if (Object.hasOwn(fields, name)) return fields[name];
  const wanted = folded(name);
  for (const key of Object.keys(fields)) if (folded(key) === wanted) return fields[key];
  return undefined;
}

/** The mapping at a path of fields; undefined as soon as one step is missing. */
export function fieldsAt(start: unknown, ...path: readonly string[]): Fields | undefined {
  let at = fieldsOf(start);
  for (const name of path) at = fieldsOf(field(at, name));
  return at;
}

/** A scalar as text: `true` for booleans (YAML 1.1 made them of ON and yes), decimal for numbers; undefined for null, lists and mappings. */
export function textOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return Number.isFinite(value) ? plainDecimal(value) : String(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return undefined;
  }
}

/** A text that says something: undefined for `''` too. */
export function nameOf(value: unknown): string | undefined {
  const text = textOf(value)?.trim();
  return text === '' ? undefined : text;
}

/** A finite number, also one written as text (`'3'`, `'0.1'`, `'0x10'`); undefined otherwise. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'string' || value.trim() === '') return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

/** True or false, also as a text or one of its aliases (`ON`, `yes`, `1`); undefined when it is neither. */
export function flagOf(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const text = textOf(value);
  return text === undefined ? undefined : booleanOf(text);
}

function folded(key: string): string {
  return key.replace(/[_-]/g, '').toLowerCase();
}

/** Integers of any size without exponent: `1e21` is no int64 text. */
function plainDecimal(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : String(value);
}
