/** Owns exact fractions: what a row of additions, multiplications and divisions of decimal numbers gives, without a rounding in between. Pure. */

export interface Rational {
  readonly numerator: bigint;
  /** Greater than 0. */
  readonly denominator: bigint;
}

export function whole(value: bigint): Rational {
  return { numerator: value, denominator: 1n };
}

/** The fraction behind a decimal text such as `-0.03125` or `1e-3`; undefined for other texts and for absurd exponents. */
export function decimal(text: string): Rational | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i.exec(text.trim());
  const [, sign = '', integer = '', fraction = '', exponent = '0'] = match ?? [];
  if (match === null || integer + fraction === '') return undefined;
  const coefficient = BigInt(`${sign === '-' ? '-' : ''}${integer}${fraction}`);
  const shift = Number(exponent) - fraction.length;
  return shift >= 0 ? whole(coefficient * 10n ** BigInt(shift)) : { numerator: coefficient, denominator: 10n ** BigInt(-shift) };
}

export function sum(left: Rational, right: Rational): Rational {
  return reduced(left.numerator * right.denominator + right.numerator * left.denominator, left.denominator * right.denominator);
}

export function product(left: Rational, right: Rational): Rational {
  return reduced(left.numerator * right.numerator, left.denominator * right.denominator);
}

export function negative({ numerator, denominator }: Rational): Rational {
  return { numerator: -numerator, denominator };
}

/** undefined for 0. */
export function inverse({ numerator, denominator }: Rational): Rational | undefined {
  if (numerator === 0n) return undefined;
  return numerator > 0n ? { numerator: denominator, denominator: numerator } : { numerator: -denominator, denominator: -numerator };
}

/** The nearest integer, halves away from zero. */
export function nearest({ numerator, denominator }: Rational): bigint {
  const size = numerator < 0n ? -numerator : numerator;
  const rounded = (2n * size + denominator) / (2n * denominator);
  return numerator < 0n ? -rounded : rounded;
}

/** The nearest double of what fits into one. */
export function toNumber({ numerator, denominator }: Rational): number {
  return Number(numerator) / Number(denominator);
}

function reduced(numerator: bigint, denominator: bigint): Rational {
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? whole(0n) : { numerator: numerator / a, denominator: denominator / a };
}
