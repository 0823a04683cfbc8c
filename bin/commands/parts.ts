/** Owns how `up` and `demo` start cloud and edge on one machine: certificates first, then each with its own file and settings. */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Clock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { nearestSetting } from '#beehive/config.ts';
import { HiveletError } from '#beehive/errors.ts';
import { reasonOf } from '#beehive/system-error.ts';
import { fieldsOf } from '#device-models/fields.ts';
import { cloudSchema } from '../../cloud/config.ts';
import { initCloud, type InitReport } from '../../cloud/pki/init.ts';
import { defaultNodeName, edgeSchema } from '../../edge/config.ts';

export type Part = 'cloud' | 'edge';

export interface PartSettings {
  file?: string;
  sets: string[];
}

/** Sorts `--config FILE` by its kind and `--set` by its module. Throws USAGE. */
export function splitSettings(files: readonly string[], sets: readonly string[]): Record<Part, PartSettings> {
  const parts: Record<Part, PartSettings> = { cloud: { sets: [] }, edge: { sets: [] } };
  for (const file of files) {
    const part = partOfFile(file);
    if (parts[part].file !== undefined)
      throw new HiveletError('USAGE', `${file} and ${parts[part].file} are both for the ${part}: name one`);
    parts[part].file = file;
  }
  for (const set of sets) {
    const [, prefix, rest = ''] = /^(cloud|edge)\.(.*)$/s.exec(set) ?? [];
    if (prefix === undefined) parts[partOfSetting(set)].sets.push(set);
    else parts[prefix as Part].sets.push(rest);
  }
  return parts;
}

/** A setting that only one of the two programs has needs no name of it. */
function partOfSetting(set: string): Part {
  const name = set.split('=')[0] ?? '';
  const schemas = { cloud: cloudSchema, edge: edgeSchema } as const;
  const owners = (['cloud', 'edge'] as const).filter((part) => {
    const { settings, unsupported } = schemas[part];
    return settings.some((setting) => setting.path === name) || unsupported.some((known) => name === known || name.startsWith(`${known}.`));
  });
  const [owner, other] = owners;
  if (owner !== undefined && other === undefined) return owner;
  if (owner !== undefined)
    throw new HiveletError('USAGE', `--set ${set} could be for cloud or edge: write --set cloud.${set} or --set edge.${set}`);
  const near = nearestSetting(
    name,
    [...cloudSchema.settings, ...edgeSchema.settings].map((setting) => setting.path),
  );
  throw new HiveletError(
    'USAGE',
    `--set ${set}: ${name} is a setting of neither cloud nor edge${near === undefined ? '' : `; did you mean ${near}?`}`,
  );
}

function partOfFile(file: string): Part {
  let kind: unknown;
  try {
    kind = fieldsOf(parse(readFileSync(file, 'utf8')))?.['kind'];
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `cannot read the configuration file ${file}: ${reasonOf(cause)}`, { cause });
  }
  if (kind === 'EdgeCore') return 'edge';
  if (kind === 'CloudCore') return 'cloud';
  throw new HiveletError('CONFIG_INVALID', `${file}: kind is ${JSON.stringify(kind ?? null)}; write EdgeCore or CloudCore`);
}

/** The arguments behind `hivelet cloud` or `hivelet edge`. */
export function partArguments({ file, sets }: PartSettings, dataDir: string): string[] {
  return ['--data-dir', dataDir, ...(file === undefined ? [] : ['--config', file]), ...sets.flatMap((set) => ['--set', set])];
}

/** The node that the edge will be. */
export function nodeOf({ file, sets }: PartSettings): string {
  return loadConfig(edgeSchema, { file, sets }).get('modules.edged.hostnameOverride') || defaultNodeName();
}

/** What `hivelet init` makes for one machine that is cloud and board at once; run again, it changes nothing. */
export function initForOneMachine(options: { dataDir: string; edge: PartSettings; clock: Clock }): Promise<InitReport> {
  return initCloud({ dataDir: options.dataDir, advertise: [], clock: options.clock, nodeName: nodeOf(options.edge) });
}
