/** Owns configuration: a table of settings, a KubeEdge-shaped YAML file and `--set` laid over it, all faults with their place. */
import { readFileSync } from 'node:fs';
import { LineCounter, isMap, isScalar, parseDocument, stringify, type Node } from 'yaml';
import { HiveletError, messageOf } from './errors.ts';

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
  /** true when the file or a `--set` names the path. */
  isSet(path: T[number]['path']): boolean;
  readonly warnings: readonly string[];
  /** A KubeEdge file was given. */
  readonly kubeedgeFile: boolean;
  /** Effective values as YAML. */
  print(): string;
}

export interface ConfigInput {
  /** Path of the YAML file, or undefined for defaults only. */
  file?: string | undefined;
  /** `path.to.key=value`, applied last, in order. */
  sets?: readonly string[];
}

interface Given {
  value: unknown;
  /** `edgecore.yaml:12` or `--set`. */
  where: string;
}

/** Throws CONFIG_INVALID with all faults at once, one a line. */
export function loadConfig<const T extends readonly Setting[]>(schema: ConfigSchema<T>, input: ConfigInput): Config<T> {
  const faults: string[] = [];
  const given = new Map<string, Given>();
  const kubeedgeFile = input.file !== undefined && readFile(schema, input.file, given, faults);
  for (const set of input.sets ?? []) readSet(schema, set, given, faults);
  const unsupported = new Set<string>();
  const values = new Map<string, unknown>();
  for (const setting of schema.settings) {
    values.set(setting.path, kubeedgeFile && setting.kubeedgeDefault !== undefined ? setting.kubeedgeDefault : setting.default);
  }
  for (const [path, { value, where }] of given) {
    const setting = schema.settings.find((row) => row.path === path);
    if (setting !== undefined) {
      const checked = checkSetting(setting, value);
      if ('fault' in checked) faults.push(`${where}: ${path} ${checked.fault}`);
      else values.set(path, checked.value);
    } else if (schema.unsupported.some((known) => path === known || path.startsWith(`${known}.`))) {
      unsupported.add(path);
    } else {
      const near = nearest(path, [...schema.settings.map((row) => row.path), ...schema.unsupported]);
      faults.push(`${where}: ${path} is not a setting${near === undefined ? '' : `; did you mean ${near}?`}`);
    }
  }
  if (faults.length > 0) throw new HiveletError('CONFIG_INVALID', faults.join('\n'));
  const warnings =
    unsupported.size === 0 ? [] : [`settings of features that Hivelet does not have are ignored: ${[...unsupported].sort().join(', ')}`];
  return {
    // The table's row type and the checked value agree by construction.
    get: (path) => values.get(path) as never,
    isSet: (path) => given.has(path),
    warnings,
    kubeedgeFile,
    print: () => printSettings(schema, (setting) => values.get(setting.path)),
  };
}

/** `--defaultconfig` and `--minconfig`: a commented file. */
export function defaultConfig(schema: ConfigSchema<readonly Setting[]>, minimal: boolean): string {
  const settings = minimal ? schema.settings.filter((row) => row.minimal === true) : schema.settings;
  return printSettings({ ...schema, settings }, (setting) => setting.default, true);
}

function readFile(schema: ConfigSchema<readonly Setting[]>, file: string, given: Map<string, Given>, faults: string[]): boolean {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new HiveletError('CONFIG_INVALID', `cannot read the configuration file ${file}: ${messageOf(error)}`, { cause: error });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  for (const error of document.errors)
    faults.push(`${file}:${String(error.linePos?.[0].line ?? 1)}: ${error.message.split('\n')[0] ?? ''}`);
  if (document.errors.length > 0 || document.contents === null) return false;
  const where = (node: Node): string => `${file}:${String(lines.linePos(node.range?.[0] ?? 0).line)}`;
  if (!isMap(document.contents)) {
    faults.push(`${file}:1: the file is not a map of settings`);
    return false;
  }
  const maps = schema.settings.filter((row) => row.type === 'map').map((row) => row.path);
  const walk = (node: unknown, path: string): void => {
    if (isMap(node) && !maps.includes(path)) {
      for (const pair of node.items) {
        const key = isScalar(pair.key) ? String(pair.key.value) : '?';
        const below = path === '' ? key : `${path}.${key}`;
        if (isMap(pair.value) && pair.value.items.length > 0) walk(pair.value, below);
        else
          given.set(below, {
            value: pair.value === null ? undefined : (pair.value as Node).toJS(document),
            where: where(pair.key as Node),
          });
        if (isMap(pair.value) && maps.includes(below))
          given.set(below, { value: pair.value.toJS(document), where: where(pair.key as Node) });
      }
    }
  };
  walk(document.contents, '');
  const kind = given.get('kind')?.value ?? schema.kind;
  const apiVersion = given.get('apiVersion')?.value ?? schema.apiVersion;
  given.delete('kind');
  given.delete('apiVersion');
  if (kind !== schema.kind) faults.push(`${file}: kind is ${JSON.stringify(kind)}; this program reads kind ${schema.kind}`);
  const kubeedge = schema.kubeedgeApiVersions.includes(String(apiVersion));
  if (!kubeedge && apiVersion !== schema.apiVersion) {
    faults.push(
      `${file}: apiVersion ${JSON.stringify(apiVersion)} is not known; use ${[schema.apiVersion, ...schema.kubeedgeApiVersions].join(' or ')}`,
    );
  }
  return kubeedge;
}

function readSet(schema: ConfigSchema<readonly Setting[]>, set: string, given: Map<string, Given>, faults: string[]): void {
  const equals = set.indexOf('=');
  if (equals <= 0) {
    faults.push(`--set ${set}: write it as path.to.key=value`);
    return;
  }
  const path = set.slice(0, equals);
  const text = set.slice(equals + 1);
  const setting = schema.settings.find((row) => row.path === path);
  const value: unknown =
    setting?.type === 'string'
      ? text
      : setting?.type === 'strings'
        ? text.split(',').filter((item) => item !== '')
        : parseDocument(text).toJS();
  given.set(path, { value, where: `--set ${set}` });
}

function checkSetting(setting: Setting, value: unknown): { value: unknown } | { fault: string } {
  if (value === undefined || value === null) return { value: setting.default };
  switch (setting.type) {
    case 'boolean':
      return typeof value === 'boolean' ? { value } : { fault: `must be true or false, not ${JSON.stringify(value)}` };
    case 'int':
      if (typeof value !== 'number' || !Number.isInteger(value)) return { fault: `must be a whole number, not ${JSON.stringify(value)}` };
      if (setting.oneOf !== undefined && !setting.oneOf.includes(value))
        return { fault: `must be one of ${setting.oneOf.join(', ')}, not ${String(value)}` };
      if (value < (setting.min ?? -Infinity) || value > (setting.max ?? Infinity))
        return { fault: `must be ${rangeText(setting)}, not ${String(value)}` };
      return { value };
    case 'string': {
      if (typeof value === 'object') return { fault: 'must be a text' };
      const text = String(value);
      return setting.oneOf === undefined || setting.oneOf.includes(text)
        ? { value: text }
        : { fault: `must be one of ${setting.oneOf.join(', ')}, not ${JSON.stringify(text)}` };
    }
    case 'strings':
      return Array.isArray(value) ? { value: value.map(String) } : { fault: 'must be a list of texts' };
    case 'map':
      if (typeof value !== 'object' || Array.isArray(value)) return { fault: 'must be a map of texts' };
      return { value: Object.fromEntries(Object.entries(value).map(([key, item]) => [key, String(item)])) };
  }
}

function rangeText({ min, max, unit }: Setting): string {
  const tail = unit === undefined ? '' : ` ${unit}`;
  return max === undefined ? `at least ${String(min)}${tail}` : `between ${String(min ?? 0)} and ${String(max)}${tail}`;
}

function printSettings(schema: ConfigSchema<readonly Setting[]>, valueOf: (setting: Setting) => unknown, commented = false): string {
  const root: Record<string, unknown> = { apiVersion: schema.apiVersion, kind: schema.kind };
  for (const setting of schema.settings) {
    const keys = setting.path.split('.');
    let at = root;
    for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
    at[keys.at(-1) ?? ''] = valueOf(setting);
  }
  const text = stringify(root);
  if (!commented) return text;
  const notes = schema.settings.map((row) => `# ${row.path}: ${row.doc}${row.unit === undefined ? '' : ` [${row.unit}]`}`);
  return `${text}\n${notes.join('\n')}\n`;
}

/** The candidate with the smallest edit distance, when it is near enough to be meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || distance < best.distance) best = { candidate, distance };
  }
  return best !== undefined && best.distance <= Math.max(3, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const cost = left[i - 1] === right[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
