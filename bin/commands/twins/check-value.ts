/** Owns the check of a value that a person wants to set: against the property's type, range and access, with a remedy. */
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { HiveletError } from '#beehive/errors.ts';
import { desiredText } from '#device-models/desired.ts';
import { nearestName } from '#device-models/nearest-name.ts';
import { checkText, withinBounds } from '#device-models/values.ts';
import type { Change } from './source.ts';

export interface Checked extends Change {
  /** Absent when the property is only known by its twin. */
  property: string;
  type: string;
  tolerance: number;
}

/** Splits `name=value` arguments. Throws USAGE. */
export function readChanges(args: readonly string[]): Change[] {
  return args.map((argument) => {
    const at = argument.indexOf('=');
    if (at <= 0) throw new HiveletError('USAGE', `"${argument}" sets nothing: write property=value`);
    return { property: argument.slice(0, at), value: argument.slice(at + 1) };
  });
}

/** Throws VALUE_INVALID (or NOT_FOUND for the name) in one sentence; otherwise the values in the form that a twin holds. */
export function checkChange(profile: DeviceProfile, { property, value }: Change): Checked {
  const names = profile.properties.map(({ name }) => name);
  const known = profile.properties.find(({ name }) => name === property);
  if (known === undefined) {
    const near = nearestName(property, names);
    const remedy = near === undefined ? `it has ${names.join(', ') || 'none'}` : `did you mean ${near}?`;
    throw new HiveletError('NOT_FOUND', `${profile.name} has no property ${property}; ${remedy}`);
  }
  const { type, accessMode, tolerance } = known;
  if (accessMode === 'ReadOnly') throw invalid(`${profile.name}.${property} is read-only: the device reports it, nobody sets it`);
  const text = desiredText(type, value);
  const wanted = `${profile.name}.${property}`;
  if (text === undefined) throw invalid(`${wanted} is ${article(type)}, so an empty text is no value for it`);
  if (checkText(type, text) !== undefined)
    throw invalid(`${wanted} is ${article(type)}, and "${value}" is none${type === 'boolean' ? ': use true or false' : ''}`);
  if (!withinBounds(type, text, known)) throw invalid(`${value} is outside the range of ${wanted}: ${rangeText(known)}`);
  return { property, value: text, type, tolerance };
}

function rangeText({ minimum, maximum, unit = '' }: PropertyProfile): string {
  const tail = unit === '' ? '' : ` ${unit}`;
  if (minimum === undefined) return `at most ${maximum ?? ''}${tail}`;
  return maximum === undefined ? `at least ${minimum}${tail}` : `${minimum} to ${maximum}${tail}`;
}

function article(type: string): string {
  return type === 'int' ? 'an int' : `a ${type}`;
}

function invalid(message: string): HiveletError {
  return new HiveletError('VALUE_INVALID', message);
}
