/** Owns one property of a DeviceModel: `type.int{...}` of v1alpha1/v1alpha2 and `type: INT` of v1beta1 become one form. */
import { field, fieldsAt, fieldsOf, listOf, nameOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { quoted } from './problem.ts';
import type { ProblemList } from './problem.ts';
import type { PropertyProfile } from './device-profile.ts';
import { desiredText } from './desired.ts';
import { checkText, compareNumbers, parseFloat64, valueTypeOf, withinBounds } from './values.ts';
import type { ValueType } from './values.ts';

export type ModelProperty = Pick<
  PropertyProfile,
  'name' | 'description' | 'type' | 'accessMode' | 'minimum' | 'maximum' | 'defaultValue' | 'unit'
>;

/** In the order in which KubeEdge looks at them when a model names several. */
const typeMembers = ['int', 'string', 'double', 'float', 'boolean', 'bytes'] as const;

/** All properties of a model, in its order; a second one of the same name is left out and told. */
export function readModelProperties(model: Fields, problems: ProblemList): Map<string, ModelProperty> {
  const found = new Map<string, ModelProperty>();
  listOf(field(fieldsAt(model, 'spec'), 'properties')).forEach((entry, index) => {
    const path = `spec.properties[${index}]`;
    const property = readModelProperty(fieldsOf(entry) ?? {}, path, problems);
    if (property === undefined) return;
    if (found.has(property.name))
      problems.warn(`${path}.name`, `${quoted(property.name)} is there twice, the first one counts: rename one`);
    else found.set(property.name, property);
  });
  return found;
}

function readModelProperty(entry: Fields, path: string, problems: ProblemList): ModelProperty | undefined {
  const name = nameOf(field(entry, 'name'));
  if (name === undefined) {
    problems.condition(`${path}.name`, 'is missing, so the property is left out: name it');
    return undefined;
  }
  const { type, holder, at } = readType(entry, path, problems);
  const bounds = readBounds({ type, holder, path: at }, problems);
  const defaultValue = readDefault({ type, bounds, written: field(holder, 'defaultValue'), path: `${at}.defaultValue` }, problems);
  const description = nameOf(field(entry, 'description'));
  const unit = nameOf(field(holder, 'unit'));
  return {
    name,
    type,
    accessMode: readAccessMode(holder, at, problems),
    ...bounds,
    ...(defaultValue === undefined ? {} : { defaultValue }),
    ...(description === undefined ? {} : { description }),
    ...(unit === undefined ? {} : { unit }),
  };
}

interface TypePart {
  type: ValueType;
  /** Where accessMode, minimum, maximum and unit are. */
  holder: Fields;
  at: string;
}

function readType(entry: Fields, path: string, problems: ProblemList): TypePart {
  const written = field(entry, 'type');
  const members = fieldsOf(written);
  if (members !== undefined) return readTypeMembers(members, `${path}.type`, problems);
  const word = textOf(written) ?? '';
  const flat = (type: ValueType): TypePart => ({ type, holder: entry, at: path });
  const type = valueTypeOf(word);
  if (type !== undefined) return flat(type);
  if (word.toUpperCase() === 'STREAM') {
    problems.condition(`${path}.type`, 'STREAM is not served by any mapper here: the property stays without values');
    return flat('bytes');
  }
  if (word === '') problems.condition(`${path}.type`, 'is missing, string is taken: write int, float, double, boolean, string or bytes');
  else problems.refuse(`${path}.type`, `${quoted(word)} is no type: write INT, FLOAT, DOUBLE, BOOLEAN, STRING, BYTES or STREAM`);
  return flat('string');
}

function readTypeMembers(members: Fields, path: string, problems: ProblemList): TypePart {
  const named = typeMembers.filter((name) => fieldsOf(field(members, name)) !== undefined || field(members, name) === null);
  const [first, second] = named;
  if (first === undefined) {
    problems.condition(path, `names none of ${typeMembers.join(', ')}, string is taken: write one of them`);
    return { type: 'string', holder: {}, at: path };
  }
  if (second !== undefined) problems.warn(path, `names ${named.join(' and ')}, ${first} is taken: keep one`);
  return { type: first, holder: fieldsOf(field(members, first)) ?? {}, at: `${path}.${first}` };
}

/** Go mappers take anything but `ReadOnly` for writable, and samples say `rw`. */
function readAccessMode(holder: Fields, path: string, problems: ProblemList): 'ReadWrite' | 'ReadOnly' {
  const written = nameOf(field(holder, 'accessMode'));
  if (written === undefined) return 'ReadWrite';
  const word = written.toLowerCase();
  if (['readonly', 'r', 'ro'].includes(word)) return 'ReadOnly';
  if (!['readwrite', 'rw', 'w', 'writeonly'].includes(word)) {
    problems.refuse(`${path}.accessMode`, `${quoted(written)} is no access mode: write ReadWrite or ReadOnly`);
  }
  return 'ReadWrite';
}

function readBounds({ type, holder, path }: { type: ValueType; holder: Fields; path: string }, problems: ProblemList): Bounds {
  const minimum = readBound(holder, `${path}.minimum`, problems);
  const maximum = readBound(holder, `${path}.maximum`, problems);
  if (minimum === undefined && maximum === undefined) return {};
  if (type !== 'int' && type !== 'float' && type !== 'double') {
    problems.warn(minimum === undefined ? `${path}.maximum` : `${path}.minimum`, `a ${type} has no range: the bound is not used`);
    return {};
  }
  // What cloudcore writes when a model has no range at all.
  if (minimum === '0' && maximum === '0') return {};
  if (minimum !== undefined && maximum !== undefined && compareNumbers(minimum, maximum) === 1) {
    problems.refuse(`${path}.minimum`, `${minimum} is more than maximum ${maximum}, so no value fits: exchange them`);
    return {};
  }
  return { ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) };
}

interface DefaultValue {
  type: ValueType;
  bounds: Bounds;
  written: unknown;
  path: string;
}

/** A bare OFF that YAML made a boolean is a text of a string property as well. */
function readDefault({ type, bounds, written, path }: DefaultValue, problems: ProblemList): string | undefined {
  const text = textOf(written);
  const value = text === undefined ? undefined : desiredText(type, text);
  if (value === undefined) return undefined;
  if (checkText(type, value) !== undefined) {
    problems.condition(path, `${quoted(written)} is no ${type}: write one`);
    return undefined;
  }
  if (!withinBounds(type, value, bounds)) {
    const { minimum, maximum } = bounds;
    problems.condition(path, `${value} is outside ${minimum ?? 'any minimum'} to ${maximum ?? 'any maximum'}: write a value within`);
  }
  return value;
}

type Bounds = Pick<ModelProperty, 'minimum' | 'maximum'>;

function readBound(holder: Fields, path: string, problems: ProblemList): string | undefined {
  const written = field(holder, path.slice(path.lastIndexOf('.') + 1));
  const text = textOf(written)?.trim();
  if (text === undefined || text === '') {
    if (fieldsOf(written) !== undefined || Array.isArray(written))
      problems.condition(path, 'is no number, so it is not used: write a number');
    return undefined;
  }
  const number = parseFloat64(text);
  if (number !== undefined && !Number.isNaN(number)) return text;
  problems.condition(path, `${quoted(text)} is no number, so it is not used: write a number`);
  return undefined;
}
