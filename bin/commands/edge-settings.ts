/** Owns the settings of the edge on this machine as commands see them: those that it starts with, and --set over them. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { loadConfig } from '#beehive/config-file.ts';
import type { Config } from '#beehive/config.ts';
import { fieldsOf } from '#device-models/fields.ts';
import { edgeSchema, type settings } from '../../edge/config.ts';
import type { Invocation } from './command.ts';

/** Of the file of --config, else of the one that the edge takes from the data directory. Throws CONFIG_INVALID. */
export function edgeSettings({ flags, dataDir }: Pick<Invocation, 'flags' | 'dataDir'>): Config<typeof settings> {
  const own = path.join(dataDir, 'edge', 'edgecore.yaml');
  const file = flags.texts('config').findLast(isForEdge) ?? (existsSync(own) ? own : undefined);
  return loadConfig(edgeSchema, { file, sets: flags.texts('set') });
}

/** What cannot be read is told by who reads it then. */
function isForEdge(file: string): boolean {
  try {
    return fieldsOf(parse(readFileSync(file, 'utf8')))?.['kind'] !== 'CloudCore';
  } catch {
    return true;
  }
}
