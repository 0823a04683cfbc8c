/** Owns configuration with files: reading one, and printing settings as one. Whoever needs neither need not load it. */
import { stringify } from 'yaml';
import { readFile } from './config-source.ts';
import type { Reading } from './config-set.ts';
import { buildConfig, type Config, type ConfigSchema, type Setting } from './config.ts';

export interface ConfigInput {
  /** Path of the YAML file, or undefined for defaults only. */
  file?: string | undefined;
  /** `path.to.key=value`, applied last, in order. A key of a map setting is one path more: `modules.edged.labels.site=hall-2`. */
  sets?: readonly string[];
}

type AnySchema = ConfigSchema<readonly Setting[]>;

/** Throws CONFIG_INVALID with all faults at once, one a line. A key without a value (`mqttMode:`) is as good as absent. */
export function loadConfig<const T extends readonly Setting[]>(schema: ConfigSchema<T>, input: ConfigInput): Config<T> {
  const reading: Reading = { given: new Map(), faults: [] };
  const kubeedgeFile = input.file !== undefined && readFile(schema, input.file, reading);
  return buildConfig(schema, input.sets ?? [], { ...reading, kubeedgeFile });
}

/** Values in force as YAML. */
export function printConfig<const T extends readonly Setting[]>(schema: ConfigSchema<T>, config: Config<T>): string {
  return printSettings(schema, (setting) => config.get(setting.path));
}

/** `--defaultconfig` and `--minconfig`: a file with a comment for each setting. */
export function defaultConfig(schema: AnySchema, minimal: boolean): string {
  const settings = minimal ? schema.settings.filter((row) => row.minimal === true) : schema.settings;
  const notes = settings.map((row) => `# ${row.path}: ${row.doc}${row.unit === undefined ? '' : ` [${row.unit}]`}`);
  return `${printSettings({ ...schema, settings }, (setting) => setting.default)}\n${notes.join('\n')}\n`;
}

function printSettings(schema: AnySchema, valueOf: (setting: Setting) => unknown): string {
  const root: Record<string, unknown> = { apiVersion: schema.apiVersion, kind: schema.kind };
  for (const setting of schema.settings) {
    const keys = setting.path.split('.');
    let at = root;
    for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
    at[keys.at(-1) ?? ''] = valueOf(setting);
  }
  return stringify(root);
}
