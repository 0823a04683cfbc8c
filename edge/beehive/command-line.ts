/** Owns the flags that every long-running program of ours takes, and what they print. */
import { existsSync } from 'node:fs';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { configOfSets, type Config, type ConfigSchema, type Setting } from './config.ts';
import { HiveletError, messageOf } from './errors.ts';
import { flagFault } from './flag-fault.ts';
import type { LogLevel } from './log.ts';
import { defaultDataDir } from './program.ts';

export interface ProgramLine {
  config: string | undefined;
  sets: string[];
  dataDir: string;
  level: LogLevel;
  format: 'json' | 'text' | undefined;
  /** Print the settings in force and exit. */
  print: boolean;
  /** Values of the program's own flags. */
  extra: Readonly<Record<string, string | undefined>>;
}

export interface ProgramOptions {
  /** As a person types it: `edge`. */
  program: string;
  /** First line of the help. */
  summary: string;
  schema: ConfigSchema<readonly Setting[]>;
  version: string;
  /** The file that is read when none is named, below the data directory. */
  ownFile: (dataDir: string) => string;
  /** Own flags with a value: name -> [placeholder, what it does]. */
  extra?: Readonly<Record<string, readonly [string, string]>>;
}

const levels: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies LogLevel[];

const common = {
  config: { type: 'string' },
  set: { type: 'string', multiple: true },
  'data-dir': { type: 'string' },
  'log-level': { type: 'string' },
  'log-format': { type: 'string' },
  defaultconfig: { type: 'boolean' },
  minconfig: { type: 'boolean' },
  'print-config': { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

/** A text is to be printed, and the program ends with 0. Throws USAGE. */
export async function readProgramLine(options: ProgramOptions, argv: readonly string[]): Promise<ProgramLine | string> {
  const { values, extra } = parse(options, argv);
  if (values.help === true) return helpOf(options);
  if (values.version === true) return `${options.version}\n`;
  if (values.defaultconfig === true || values.minconfig === true) {
    const { defaultConfig } = await import('./config-file.ts');
    return defaultConfig(options.schema, values.minconfig === true);
  }
  const level = values['log-level'] ?? 'info';
  if (!isLevel(level)) throw usage(options, `--log-level ${level}: use ${levels.join(', ')}`);
  const format = values['log-format'];
  if (format !== undefined && format !== 'json' && format !== 'text') throw usage(options, `--log-format ${format}: use json or text`);
  const dataDir = values['data-dir'] ?? defaultDataDir();
  const own = options.ownFile(dataDir);
  return {
    config: values.config ?? (existsSync(own) ? own : undefined),
    sets: values.set ?? [],
    dataDir,
    level,
    format,
    print: values['print-config'] === true,
    extra,
  };
}

/** The settings in force, or their text when `--print-config` was given. The YAML reader is loaded only for those who need it. */
export async function readProgramConfig<const T extends readonly Setting[]>(
  schema: ConfigSchema<T>,
  { config: file, sets, print }: ProgramLine,
): Promise<Config<T> | string> {
  if (file === undefined && !print) return configOfSets(schema, sets);
  const { loadConfig, printConfig } = await import('./config-file.ts');
  const config = loadConfig(schema, { file, sets });
  return print ? printConfig(schema, config) : config;
}

function parse(options: ProgramOptions, argv: readonly string[]) {
  const own = Object.keys(options.extra ?? {});
  const { mine, rest } = takeOwn(own, argv);
  try {
    const extra = parseArgs({
      args: mine,
      strict: true,
      options: Object.fromEntries(own.map((name) => [name, { type: 'string' as const }])),
    });
    return { values: parseArgs({ args: rest, strict: true, options: common }).values, extra: extra.values as ProgramLine['extra'] };
  } catch (error) {
    throw usage(options, flagFault(messageOf(error), [...own, ...Object.keys(common)]));
  }
}

/** `--seed-devices x` and `--seed-devices=x` of the program's own flags, apart from the common ones. */
function takeOwn(own: readonly string[], argv: readonly string[]): { mine: string[]; rest: string[] } {
  const mine: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    const name = own.find((each) => word === `--${each}` || word.startsWith(`--${each}=`));
    if (name === undefined) rest.push(word);
    else mine.push(word, ...(word === `--${name}` && at + 1 < argv.length ? [argv[++at] ?? ''] : []));
  }
  return { mine, rest };
}

function helpOf({ program, summary, extra = {} }: ProgramOptions): string {
  const own = Object.entries(extra).map(([name, [placeholder, text]]) => `  --${name} ${placeholder}`.padEnd(26) + text);
  return `hivelet ${program}: ${summary}

Usage: hivelet ${program} [options]

  --config FILE           Hivelet's or KubeEdge's (default: the one in the data directory if it is there)
  --set path.to.key=value one setting, repeatable, wins over the file
  --data-dir DIR          default ${defaultDataDir()}
${own.map((line) => `${line}\n`).join('')}  --log-level LEVEL       ${levels.join(', ')} (default info)
  --log-format FORMAT     json or text (default: text on a terminal)
  --defaultconfig         print all settings with their defaults
  --minconfig             print the few settings that most people touch
  --print-config          print the settings in force and exit
  --version, --help
`;
}

function isLevel(level: string): level is LogLevel {
  return levels.includes(level);
}

function usage({ program }: ProgramOptions, text: string): HiveletError {
  return new HiveletError('USAGE', `${text} (see hivelet ${program} --help)`);
}
