/** Owns the values of a simulated device: within the bounds of its model, moving where they can only be read, kept where they were written. */
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile, PropertyProfile } from './device-profile.ts';
import { numberOf } from './fields.ts';
import { booleanOf, checkText, withinBounds } from './values.ts';

/** As the twin shows it: scaled. */
export type PlayedValue = number | boolean | string;

export interface PlayedOptions {
  profile: Pick<DeviceProfile, 'name' | 'properties'>;
  /** Uniform in [0, 1). */
  random: () => number;
}

/** Bounds of a number whose model has none. */
const USUAL_BOUNDS = { least: 0, most: 100 };
/** How far a value moves in a step, as a share of its range. */
const STEP_SHARE = 0.02;
/** How often a boolean that can only be read changes, per step. */
const FLIP_SHARE = 0.05;

interface Played {
  property: PropertyProfile;
  value: PlayedValue;
  /** Somebody said what it is: it stays so. */
  held: boolean;
  refused: boolean;
}

/** A protocol's simulator shows these as its points: `step` now and then, `write` when a master writes, `isRefused` before each access. */
export class PlayedValues {
  readonly #device: string;
  readonly #random: () => number;
  readonly #played: ReadonlyMap<string, Played>;

  constructor({ profile, random }: PlayedOptions) {
    this.#device = profile.name;
    this.#random = random;
    this.#played = new Map(
      profile.properties.map((property) => [property.name, { property, value: firstValue(property), held: false, refused: false }]),
    );
  }

  get names(): string[] {
    return [...this.#played.keys()];
  }

  /** Throws NOT_FOUND. */
  get(name: string): PlayedValue {
    return this.#find(name).value;
  }

  /** One move of all that can only be read and that nobody holds; answers the names of what changed. */
  step(): string[] {
    return [...this.#played].flatMap(([name, played]) => {
      if (played.property.accessMode === 'ReadWrite' || played.held) return [];
      const next = this.#moved(played);
      if (next === played.value) return [];
      played.value = next;
      return [name];
    });
  }

  /** Sets what the device holds, as a hand at the device does: the value stays. Throws NOT_FOUND, VALUE_INVALID. */
  put(name: string, text: string): void {
    const played = this.#find(name);
    played.value = valueOf(played.property, text);
    played.held = true;
  }

  /** A master writes. Throws NOT_FOUND, and POINT_REJECTED for what the model does not allow and for what refuses at present. */
  write(name: string, value: PlayedValue | bigint): void {
    const played = this.#find(name);
    const { accessMode } = played.property;
    const refuse = (why: string): HiveletError => new HiveletError('POINT_REJECTED', `${this.#device} does not take ${name}: ${why}`);
    if (played.refused) throw refuse('it was told to refuse it');
    if (accessMode === 'ReadOnly') throw refuse('it can only be read');
    try {
      played.value = valueOf(played.property, String(value));
    } catch (cause) {
      throw refuse(cause instanceof Error ? cause.message : String(cause));
    }
  }

  /** From now on, until `on` is false, the device answers the property with an error. Throws NOT_FOUND. */
  refuse(name: string, on: boolean): void {
    this.#find(name).refused = on;
  }

  isRefused(name: string): boolean {
    return this.#played.get(name)?.refused === true;
  }

  #find(name: string): Played {
    const found = this.#played.get(name);
    if (found !== undefined) return found;
    throw new HiveletError('NOT_FOUND', `${this.#device} has no property ${name}: it has ${this.names.join(', ')}`);
  }

  #moved({ property, value }: Played): PlayedValue {
    if (typeof value === 'boolean') return this.#random() < FLIP_SHARE ? !value : value;
    if (typeof value === 'string') return value;
    const { least, most } = boundsOf(property);
    const next = Math.min(most, Math.max(least, value + (this.#random() - 0.5) * 2 * STEP_SHARE * (most - least)));
    // Small ranges of whole numbers move as well, by whole steps.
    if (property.type !== 'int' || Math.round(next) !== Math.round(value)) return next;
    return this.#random() < FLIP_SHARE ? Math.min(most, Math.max(least, Math.round(value) + (this.#random() < 0.5 ? -1 : 1))) : next;
  }
}

/** The bounds in which a number is played: the model's, or 0 to 100. */
export function boundsOf({ minimum, maximum }: Pick<PropertyProfile, 'minimum' | 'maximum'>): { least: number; most: number } {
  const most = numberOf(maximum);
  const least = numberOf(minimum) ?? Math.min(USUAL_BOUNDS.least, most ?? USUAL_BOUNDS.least);
  return { least, most: Math.max(least, most ?? least + USUAL_BOUNDS.most) };
}

function firstValue(property: PropertyProfile): PlayedValue {
  if (property.type === 'boolean') return false;
  if (property.type === 'string' || property.type === 'bytes') return property.type === 'string' ? property.name : '00';
  const { least, most } = boundsOf(property);
  const middle = (least + most) / 2;
  return property.type === 'int' ? Math.round(middle) : middle;
}

function valueOf(property: PropertyProfile, text: string): PlayedValue {
  const { name, type, minimum, maximum } = property;
  if (type === 'boolean') {
    const known = booleanOf(text);
    if (known === undefined) throw new HiveletError('VALUE_INVALID', `${JSON.stringify(text)} is no ${type}: write true or false`);
    return known;
  }
  if (type === 'string' || type === 'bytes') return text;
  if (text === '' || checkText(type, text) !== undefined) throw new HiveletError('VALUE_INVALID', `${JSON.stringify(text)} is no ${type}`);
  if (!withinBounds(type, text, { minimum, maximum }))
    throw new HiveletError('VALUE_INVALID', `${text} is outside ${minimum ?? 'any minimum'} to ${maximum ?? 'any maximum'} of ${name}`);
  return Number(text);
}
