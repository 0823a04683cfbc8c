/** Owns what a command of the shell is: its flags, its help, and what it is given to run. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { flagFault } from '#beehive/flag-fault.ts';

export interface FlagSpec {
  type: 'string' | 'boolean';
  /** May be given several times. */
  multiple?: true;
  short?: string;
  /** What stands for the value in the help: FILE. */
  value?: string;
  help: string;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

export interface Io {
  /** A line on standard output. */
  out(line: string): void;
  /** A line on standard error. */
  error(line: string): void;
  /** What is being done, where somebody looks: on a terminal, over the last such text, gone with the next line of output. */
  progress?(text: string): void;
  /** Standard output is a terminal that understands escape sequences. */
  readonly terminal: boolean;
}

export interface Invocation {
  readonly args: readonly string[];
  readonly flags: Flags;
  readonly io: Io;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Aborts at SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** See `defaultDataDir`; absolute. */
  readonly dataDir: string;
}

export interface Command {
  /** Lines after `hivelet`: `get devices|nodes|DEVICE...`. */
  readonly usage: readonly string[];
  /** Lines of the help. */
  readonly about: readonly string[];
  readonly flags: FlagSpecs;
  /** Resolves with the exit code: 0 fine, 1 failed, 2 wrong usage. Throws HiveletError. */
  run(invocation: Invocation): Promise<number>;
}

/** Every command takes these. */
export const commonFlags: FlagSpecs = {
  help: { type: 'boolean', short: 'h', help: 'show this' },
  config: { type: 'string', multiple: true, value: 'FILE', help: 'configuration file (kind EdgeCore or CloudCore)' },
  set: { type: 'string', multiple: true, value: 'A.B=VALUE', help: 'a setting over that file; may be repeated' },
  'data-dir': { type: 'string', value: 'DIR', help: 'where state is (default: /var/lib/hivelet as root, else $XDG_STATE_HOME/hivelet)' },
};

export class Flags {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(values: ReadonlyMap<string, unknown>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.get(name) === true;
  }

  /** The last one given. */
  text(name: string): string | undefined {
    return this.texts(name).at(-1);
  }

  texts(name: string): string[] {
    const value = this.#values.get(name);
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.filter((item) => typeof item === 'string');
  }
}

/** Throws USAGE with the nearest known flag. */
export function parseCommandLine(specs: FlagSpecs, argv: readonly string[]): { args: string[]; flags: Flags } {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, { type, multiple, short }] of Object.entries(specs)) {
    options[name] = { type, ...(multiple === true ? { multiple } : {}), ...(short === undefined ? {} : { short }) };
  }
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    return { args: positionals, flags: new Flags(new Map(Object.entries(values))) };
  } catch (cause) {
    throw new HiveletError('USAGE', flagFault(messageOf(cause), Object.keys(specs)), { cause });
  }
}

/** The help of one command as text. */
export function helpOf(command: Command): string {
  const usage = command.usage.map((line) => `  hivelet ${line}`);
  const flags = Object.entries({ ...command.flags, ...commonFlags }).map(([name, spec]) => {
    const left = `${spec.short === undefined ? '' : `-${spec.short}, `}--${name}${spec.value === undefined ? '' : ` ${spec.value}`}`;
    return { left, right: spec.help };
  });
  const width = Math.max(...flags.map(({ left }) => left.length));
  const lines = flags.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`);
  return [...usage, '', ...command.about, '', 'Flags:', ...lines].join('\n');
}

/** Exactly these many arguments, or USAGE. */
export function expectArgs(args: readonly string[], { least, most, what }: { least: number; most: number; what: string }): void {
  if (args.length >= least && args.length <= most) return;
  const extra = args.length > most ? `"${args[most] ?? ''}" is one argument too many` : 'an argument is missing';
  throw new HiveletError('USAGE', `${extra}: ${what}`);
}
