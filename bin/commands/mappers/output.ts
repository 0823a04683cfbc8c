/** Owns the choice between a table and JSON of commands that know `-o`. */
import { HiveletError } from '#beehive/errors.ts';
import type { Flags, FlagSpecs } from '../command.ts';

export const outputFlag: FlagSpecs = {
  output: { type: 'string', short: 'o', value: 'json', help: 'the same as JSON' },
};

/** Throws USAGE. */
export function wantsJson(flags: Flags): boolean {
  const output = flags.text('output');
  if (output === undefined || output === 'json') return output === 'json';
  throw new HiveletError('USAGE', `-o ${output}: write json, or leave it out for a table`);
}

/** A flag that is a whole number of at least `least`. Throws USAGE. */
export function wholeFlag(flags: Flags, name: string, { usual, least = 1, most }: { usual: number; least?: number; most: number }): number {
  const text = flags.text(name);
  const value = text === undefined ? usual : /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new HiveletError('USAGE', `--${name} ${text ?? ''}: write a whole number from ${least} to ${most}`);
}
