/** Owns how near two values of a property must be to count as the same: half of what the device can tell apart. */
import { field, numberOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import type { ValueType } from './values.ts';

interface Measured {
  type: ValueType;
  minimum?: string;
  maximum?: string;
}

/** Without a range: the precision of a value of this size is taken. */
const USUAL_SIZE = 1000;

/**
 * Half of |scale| for whole numbers in a register (DESIGN section 4). A modbus float of two or four registers is stored as IEEE 754,
 * so there the step is the precision of that format at the largest value of the range, whatever the scale.
 */
export function toleranceOf(property: Measured, protocol: string, config: Fields): number {
  if (property.type !== 'int' && property.type !== 'float' && property.type !== 'double') return 0;
  const bits = protocol === 'modbus' ? ieeeMantissa(property.type, config) : undefined;
  if (bits !== undefined) return largest(property) * 2 ** -bits;
  const scale = numberOf(field(config, 'scale'));
  return scale === undefined ? 0 : Math.abs(scale) / 2;
}

/** Bits behind the point of the format in the registers; undefined when they hold a whole number. */
function ieeeMantissa(type: ValueType, config: Fields): number | undefined {
  if (type === 'int') return undefined;
  const register = textOf(field(config, 'register'))?.toLowerCase() ?? '';
  if (register.startsWith('coil') || register.startsWith('discrete')) return undefined;
  const limit = numberOf(field(config, 'limit')) ?? (type === 'double' ? 4 : 2);
  if (limit < 2) return undefined;
  return limit >= 4 ? 52 : 23;
}

function largest({ minimum, maximum }: Measured): number {
  const bounds = [minimum, maximum].map((bound) => Math.abs(numberOf(bound) ?? NaN)).filter((size) => Number.isFinite(size));
  return bounds.length === 0 ? USUAL_SIZE : Math.max(...bounds);
}
