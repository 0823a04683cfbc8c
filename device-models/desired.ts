/** Owns desired values as the API holds them: `status.twins[]` (v1alpha1, v1alpha2) and `spec.properties[]` (v1beta1). */
import { field, fieldsAt, fieldsOf, listOf, nameOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { quoted } from './problem.ts';
import type { ProblemList } from './problem.ts';
import { booleanOf, valueTypeOf } from './values.ts';
import type { ValueType } from './values.ts';

/** What the API says about the twin of one property. */
export interface TwinEntry {
  name: string;
  /** Where it is written, for messages. */
  path: string;
  /** Absent when no desired value is written. */
  desired?: { value: string; type?: string };
  /** The type that desired or reported metadata name; it counts only where the model does not know the property. */
  type?: ValueType;
}

/** By property; where both places name one, `spec.properties[]` wins (its status holds only what was observed). */
export function readTwins(device: Fields, problems: ProblemList): Map<string, TwinEntry> {
  const status = readEntries({ list: field(fieldsAt(device, 'status'), 'twins'), path: 'status.twins', name: 'propertyName' }, problems);
  const spec = readEntries({ list: field(fieldsAt(device, 'spec'), 'properties'), path: 'spec.properties', name: 'name' }, problems);
  for (const [name, entry] of spec) {
    const older = status.get(name);
    status.set(name, { ...older, ...entry });
  }
  return status;
}

function readEntries(from: { list: unknown; path: string; name: string }, problems: ProblemList): Map<string, TwinEntry> {
  const found = new Map<string, TwinEntry>();
  listOf(from.list).forEach((written, index) => {
    const path = `${from.path}[${index}]`;
    const entry = fieldsOf(written) ?? {};
    const name = nameOf(field(entry, from.name));
    if (name === undefined) return problems.condition(`${path}.${from.name}`, 'is missing, so the entry is left out: name a property');
    if (found.has(name)) return problems.warn(`${path}.${from.name}`, `${quoted(name)} is there twice, the first one counts: remove one`);
    found.set(name, readEntry({ entry, name, path }, problems));
  });
  return found;
}

function readEntry({ entry, name, path }: { entry: Fields; name: string; path: string }, problems: ProblemList): TwinEntry {
  const type = typeWord(entry, 'desired') ?? typeWord(entry, 'reported');
  const valueType = type === undefined ? undefined : valueTypeOf(type);
  const desired = readDesired(entry, path, problems);
  return { name, path, ...(desired === undefined ? {} : { desired }), ...(valueType === undefined ? {} : { type: valueType }) };
}

function readDesired(entry: Fields, path: string, problems: ProblemList): TwinEntry['desired'] {
  const written = field(fieldsAt(entry, 'desired'), 'value');
  if (written === undefined || written === null) return undefined;
  const value = textOf(written);
  if (value === undefined) {
    problems.condition(`${path}.desired.value`, 'is no text, so it does not count: write the value as a text in quotes');
    return undefined;
  }
  if (typeof written === 'boolean') {
    problems.warn(`${path}.desired.value`, `${value} is a boolean in YAML (so are ON, OFF, yes and no): write the text in quotes`);
  }
  const type = typeWord(entry, 'desired');
  return type === undefined ? { value } : { value, type };
}

function typeWord(entry: Fields, side: 'desired' | 'reported'): string | undefined {
  return nameOf(field(fieldsAt(entry, side, 'metadata'), 'type'));
}

/**
 * The text of a desired value as a twin of this type holds it: aliases of a boolean become `true` and `false`;
 * undefined when it is withdrawn, as `''` is a value of texts only (DESIGN section 4).
 */
export function desiredText(type: ValueType, text: string): string | undefined {
  if (type === 'string' || type === 'bytes') return text;
  if (text.trim() === '') return undefined;
  return type === 'boolean' ? (booleanOf(text)?.toString() ?? text) : text;
}
