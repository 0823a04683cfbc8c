/** Owns configuration: a table of settings, a KubeEdge-shaped YAML file and `--set` laid over it, all faults with their place. */
import { readSet, type Reading } from './config-set.ts';
import { nearestSetting } from './config-suggestion.ts';
import { checkSetting } from './config-value.ts';
import { HiveletError } from './errors.ts';

export { nearestSetting };

export interface Setting {
  /** Dotted path, e.g. `modules.eventBus.mqttMode`. */
  readonly path: string;
  readonly type: 'boolean' | 'int' | 'string' | 'strings' | 'map';
  readonly default: unknown;
  /** What holds when the file carries a KubeEdge apiVersion. */
  readonly kubeedgeDefault?: unknown;
  readonly unit?: string;
  readonly doc: string;
  readonly min?: number;
  readonly max?: number;
  readonly oneOf?: readonly (string | number)[];
  /** Of `strings`: how an item is written, and its one form; KubeEdge may write a map of texts. undefined: it is none. */
  readonly item?: { readonly form: string; readonly read: (written: unknown) => string | undefined };
  /** Part of `--minconfig`. */
  readonly minimal?: true;
}

type ValueOf<S extends Setting> = S['type'] extends 'boolean'
  ? boolean
  : S['type'] extends 'int'
    ? number
    : S['type'] extends 'string'
      ? string
      : S['type'] extends 'strings'
        ? readonly string[]
        : Readonly<Record<string, string>>;

export interface ConfigSchema<T extends readonly Setting[]> {
  readonly kind: string;
  readonly apiVersion: string;
  /** apiVersions of KubeEdge files that are taken as well. */
  readonly kubeedgeApiVersions: readonly string[];
  readonly settings: T;
  /** Paths (with everything below) that KubeEdge has and we do not: named in one warning. */
  readonly unsupported: readonly string[];
}

export interface Config<T extends readonly Setting[]> {
  get<P extends T[number]['path']>(path: P): ValueOf<Extract<T[number], { path: P }>>;
  /** true when the file or a `--set` gives the path a value. */
  isSet(path: T[number]['path']): boolean;
  readonly warnings: readonly string[];
  /** A KubeEdge file was given. */
  readonly kubeedgeFile: boolean;
}

type AnySchema = ConfigSchema<readonly Setting[]>;

/**
 * A configuration from `--set` alone: it needs no YAML reader, which costs a board 2.5 MB. Throws CONFIG_INVALID with all faults at
 * once, one a line. A key without a value is as good as absent.
 */
export function configOfSets<const T extends readonly Setting[]>(schema: ConfigSchema<T>, sets: readonly string[]): Config<T> {
  return buildConfig(schema, sets, { given: new Map(), faults: [], kubeedgeFile: false });
}

/** Lays `sets` over what a file gave. */
export function buildConfig<const T extends readonly Setting[]>(
  schema: ConfigSchema<T>,
  sets: readonly string[],
  reading: Reading & { kubeedgeFile: boolean },
): Config<T> {
  const { kubeedgeFile } = reading;
  for (const set of sets) readSet(schema, set, reading);
  const values = new Map<string, unknown>(schema.settings.map((setting) => [setting.path, defaultOf(setting, kubeedgeFile)]));
  const { checked, ignored, faults } = checkAll(schema, reading);
  if (faults.length > 0) throw new HiveletError('CONFIG_INVALID', faults.join('\n'));
  for (const [path, value] of checked) values.set(path, value);
  return {
    // The table's row type and the checked value agree by construction.
    get: (path) => values.get(path) as never,
    isSet: (path) => checked.has(path),
    warnings: ignored.length === 0 ? [] : [`settings of features that Hivelet does not have are ignored: ${ignored.join(', ')}`],
    kubeedgeFile,
  };
}

function defaultOf(setting: Setting, kubeedgeFile: boolean): unknown {
  return kubeedgeFile && setting.kubeedgeDefault !== undefined ? setting.kubeedgeDefault : setting.default;
}

interface Verdict {
  checked: Map<string, unknown>;
  /** Paths of features that we do not have, sorted. */
  ignored: string[];
  faults: string[];
}

function checkAll(schema: AnySchema, { given, faults: found }: Reading): Verdict {
  const verdict: Verdict = { checked: new Map(), ignored: [], faults: [...found] };
  const rows = new Map(schema.settings.map((row) => [row.path, row]));
  const paths = [...rows.keys(), ...schema.unsupported];
  for (const [path, { value, where }] of given) {
    const setting = rows.get(path);
    if (setting !== undefined) {
      if (value === undefined || value === null) continue;
      const result = checkSetting(setting, value);
      if ('fault' in result) verdict.faults.push(`${where}: ${path} ${result.fault}`);
      else verdict.checked.set(path, result.value);
    } else if (schema.unsupported.some((known) => path === known || path.startsWith(`${known}.`))) {
      verdict.ignored.push(path);
    } else if (paths.some((known) => known.startsWith(`${path}.`))) {
      if (!isEmpty(value)) verdict.faults.push(`${where}: ${path} is a section, it takes settings below it and no value of its own`);
    } else {
      const near = nearestSetting(path, paths);
      verdict.faults.push(`${where}: ${path} is not a setting${near === undefined ? '' : `; did you mean ${near}?`}`);
    }
  }
  verdict.ignored.sort();
  return verdict;
}

/** `modules:` or `modules: {}`. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0;
}
