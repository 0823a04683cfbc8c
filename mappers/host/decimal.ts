/** Owns exact decimal factors: a register times 0.1 must not become 21.500000000000004. Pure. */

/** `coefficient` × 10^`exponent`. */
export interface Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;
}

export const ONE: Decimal = { coefficient: 1n, exponent: 0 };

const decimalText = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,3}))?$/i;

/** The decimal behind a text such as `0.1`, `-2.5`, `1e-3`; undefined for other texts. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = decimalText.exec(text.trim());
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(whole + fraction);
  return { coefficient: sign === '-' ? -digits : digits, exponent: Number(exponent) - fraction.length };
}

export function toNumber({ coefficient, exponent }: Decimal): number {
  return Number(`${coefficient}e${exponent}`);
}

export function times({ coefficient, exponent }: Decimal, value: bigint): Decimal {
  return { coefficient: coefficient * value, exponent };
}

/** Towards zero, as Go's conversion to int does: 21.7 -> 21. */
export function truncated({ coefficient, exponent }: Decimal): bigint {
  return exponent >= 0 ? coefficient * 10n ** BigInt(exponent) : coefficient / 10n ** BigInt(-exponent);
}

/** The whole number nearest to value ÷ factor, halves away from zero. `factor` must not be 0. */
export function dividedToNearest(value: bigint, factor: Decimal): bigint {
  const [above, below] =
    factor.exponent >= 0
      ? [value, factor.coefficient * 10n ** BigInt(factor.exponent)]
      : [value * 10n ** BigInt(-factor.exponent), factor.coefficient];
  const [numerator, denominator] = below < 0n ? [-above, -below] : [above, below];
  const half = denominator / 2n;
  return (numerator < 0n ? numerator - half : numerator + half) / denominator;
}

/** The shortest text that reads back as the same number, without an exponent: values with a `+` are refused by KubeEdge's twin. */
export function plainText(value: number, single = false): string {
  const text = single ? shortestSingle(value) : String(value);
  const [mantissa = '', exponent] = text.toLowerCase().split('e');
  return exponent === undefined ? text : shifted(mantissa, Number(exponent));
}

/** As few digits as tell a 32-bit float from its neighbours: 0.1, not 0.10000000149011612. */
function shortestSingle(value: number): string {
  const wanted = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(wanted.toPrecision(digits));
    if (Math.fround(text) === wanted) return String(text);
  }
  return String(Number(wanted.toPrecision(9)));
}

function shifted(mantissa: string, exponent: number): string {
  const sign = mantissa.startsWith('-') ? '-' : '';
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = whole + fraction;
  const point = whole.length + exponent;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  return point >= digits.length ? sign + digits.padEnd(point, '0') : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}
