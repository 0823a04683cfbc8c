/** Owns the types of the built-in kinds: their rows read into schemas for validation and into documents for `kubectl explain`. */
import type { Schema } from '../schema/schema.ts';
import { typeRows } from './type-rows.ts';

/**
 * A row is `group/Type: field=shape …`. A shape is a word below, `Type` of the same group or `group/Type`, `[list]` or `{map}`; `!` = required;
 * `~a,b` = a list that merges by these keys, `~set`, and `~atomic` for a map, or behind the name of a type, that is replaced as a whole.
 */
interface FieldRow {
  name: string;
  required: boolean;
  /** Without brackets; of a type with its group. */
  type: string;
  shape: 'one' | 'list' | 'map';
  /** '' where nothing is said: a list is replaced as a whole, a map merges. */
  merge: string;
}

interface TypeRow {
  atomic: boolean;
  fields: readonly FieldRow[];
}

const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';

/** Plain values that have names in documents, which is what `kubectl explain` shows as their type. */
const named: Record<string, Schema> = {
  [QUANTITY]: { oneOf: [{ type: 'string' }, { type: 'number' }], description: 'A number with a unit: 500m, 2, 1Gi.' },
  [INT_OR_STRING]: { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string', description: 'A number or a text.' },
};
const documentNames = new Map([
  ['quantity', QUANTITY],
  ['intstr', INT_OR_STRING],
]);

/** The keys are the words for plain values. Quantities may be written as numbers. */
const plain: Record<string, Schema> = {
  text: { type: 'string' },
  int: { type: 'integer' },
  bool: { type: 'boolean' },
  time: { type: 'string', format: 'date-time', nullable: true },
  micro: { type: 'string', format: 'date-time', nullable: true },
  bytes: { type: 'string', format: 'byte' },
  intstr: { 'x-kubernetes-int-or-string': true },
  quantity: { anyOf: [{ type: 'string' }, { type: 'number' }] },
  free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
};

const rows = new Map<string, TypeRow>();
const schemas = new Map<string, Schema>();

function rowOf(name: string): TypeRow {
  if (rows.size === 0) for (const line of typeRows.split('\n')) readRow(line);
  const row = rows.get(name);
  if (row === undefined) throw new Error(`no definition of ${name}`);
  return row;
}

function readRow(line: string): void {
  const at = line.indexOf(': ');
  if (at < 0) return;
  const [name = '', atomic] = line.slice(0, at).split('~');
  const group = name.slice(0, name.indexOf('/'));
  const fields = line.slice(at + 2).split(' ');
  rows.set(name, { atomic: atomic === 'atomic', fields: fields.map((field) => readField(field, group)) });
}

function readField(text: string, group: string): FieldRow {
  const found = /^(\w+)(!?)=([[{]?)\[?([\w/]+)[\]}]*(?:~([\w,]+))?$/.exec(text);
  if (found === null) throw new Error(`definition of ${group}: ${text}`);
  const [, name = '', required, bracket, type = '', merge = ''] = found;
  const full = Object.hasOwn(plain, type) || type.includes('/') ? type : `${group}/${type}`;
  return { name, required: required === '!', type: full, shape: bracket === '[' ? 'list' : bracket === '{' ? 'map' : 'one', merge };
}

/**
 * The schema of `group/Type` for pruning and type checks. It requires nothing: what must be there, the rules of the kind say in the words of a
 * real server. Shared parts are shared objects; made when first asked for.
 */
export function schemaOf(name: string): Schema {
  const known = schemas.get(name);
  if (known !== undefined) return known;
  const { atomic, fields } = rowOf(name);
  const properties: Record<string, Schema> = {};
  for (const field of fields) properties[field.name] = fieldSchema(field, plain[field.type] ?? schemaOf(field.type));
  const schema: Schema = { type: 'object', ...(atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}), properties };
  schemas.set(name, schema);
  return schema;
}

function fieldSchema({ shape, merge }: FieldRow, inside: Schema): Schema {
  if (shape === 'list') return { type: 'array', items: inside, ...listMarks(merge) };
  if (shape === 'map') {
    return { type: 'object', additionalProperties: inside, ...(merge === 'atomic' ? { 'x-kubernetes-map-type': 'atomic' } : {}) };
  }
  return inside;
}

function listMarks(merge: string): Partial<Schema> {
  if (merge === '') return { 'x-kubernetes-list-type': 'atomic' };
  if (merge === 'set') return { 'x-kubernetes-list-type': 'set' };
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': merge.split(',') };
}

/** `core/Pod` is `io.k8s.api.core.v1.Pod` in documents. */
export function documentName(name: string): string {
  const [group = '', type = ''] = name.split('/');
  return group === 'meta' ? `io.k8s.apimachinery.pkg.apis.meta.v1.${type}` : `io.k8s.api.${group}.v1.${type}`;
}

type Described = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** The schemas of these types and of all that they mention, for an OpenAPI v3 document. Loads the descriptions. */
export async function documentSchemas(names: readonly string[]): Promise<Record<string, Schema>> {
  const { descriptionRows } = await import('./descriptions.ts');
  const wanted = new Set(names);
  for (const name of wanted) {
    for (const { type } of rowOf(name).fields) if (!Object.hasOwn(plain, type)) wanted.add(type);
  }
  const described = readDescriptions(descriptionRows, wanted);
  const made = [...wanted].sort().map((name) => [documentName(name), documentSchema(name, described)]);
  return { ...(Object.fromEntries(made) as Record<string, Schema>), ...named };
}

function readDescriptions(text: string, wanted: ReadonlySet<string>): Described {
  const described = new Map<string, Record<string, string>>();
  for (const line of text.split('\n')) {
    const [own = '', ...fields] = line.split(' | ');
    const name = own.slice(0, own.indexOf(': '));
    if (!wanted.has(name)) continue;
    const texts = fields.map((field) => [field.slice(0, field.indexOf(': ')), field.slice(field.indexOf(': ') + 2)]);
    described.set(name, Object.fromEntries([['', own.slice(name.length + 2)], ...texts]) as Record<string, string>);
  }
  return described;
}

function documentSchema(name: string, described: Described): Schema {
  const { atomic, fields } = rowOf(name);
  const texts = described.get(name) ?? {};
  const required = fields.filter((field) => field.required).map((field) => field.name);
  const properties = Object.fromEntries(fields.map((field) => [field.name, documentField(field, texts[field.name] ?? '')]));
  return {
    description: texts[''] ?? '',
    type: 'object',
    ...(required.length === 0 ? {} : { required }),
    properties,
    ...(atomic ? { 'x-kubernetes-map-type': 'atomic' } : {}),
  };
}

function documentField(field: FieldRow, description: string): Schema {
  const known = documentNames.get(field.type) ?? (Object.hasOwn(plain, field.type) ? undefined : documentName(field.type));
  if (known === undefined) return { ...fieldSchema(field, plain[field.type] ?? {}), description };
  const reference = { $ref: `#/components/schemas/${known}` };
  // A description beside a reference would be ignored: the published documents wrap it.
  return field.shape === 'one' ? { allOf: [reference], description } : { ...fieldSchema(field, reference), description };
}
