/** Owns reading `--set path.to.key=value`. */
import type { ConfigSchema, Setting } from './config.ts';

export interface Given {
  value: unknown;
  /** `edgecore.yaml:12` or `--set modules.x=y`. */
  where: string;
}

export interface Reading {
  /** By dotted path; what is read later wins. */
  given: Map<string, Given>;
  /** One sentence each, with its place. */
  faults: string[];
}

type AnySchema = ConfigSchema<readonly Setting[]>;

/** Adds one `path.to.key=value` to `reading`. */
export function readSet(schema: AnySchema, set: string, { given, faults }: Reading): void {
  const equals = set.indexOf('=');
  if (equals <= 0) {
    faults.push(`--set ${set}: write it as path.to.key=value`);
    return;
  }
  const path = set.slice(0, equals);
  const text = set.slice(equals + 1);
  const where = `--set ${set}`;
  const map = schema.settings.find((row) => row.type === 'map' && path.startsWith(`${row.path}.`));
  if (map !== undefined) {
    const before = given.get(map.path)?.value;
    const others = typeof before === 'object' && before !== null ? Object.entries(before) : [];
    given.set(map.path, { value: Object.fromEntries([...others, [path.slice(map.path.length + 1), text]]), where });
    return;
  }
  const setting = schema.settings.find((row) => row.path === path);
  if (setting?.type === 'string') given.set(path, { value: text, where });
  else if (setting?.type === 'strings') given.set(path, { value: text.split(',').filter((item) => item !== ''), where });
  else given.set(path, { value: setting?.type === 'map' ? mapOf(text) : scalarOf(text), where });
}

/** As YAML reads it; what is none of these stays a text, which no such setting takes. */
function scalarOf(text: string): unknown {
  switch (text) {
    case 'true':
    case 'True':
    case 'TRUE':
      return true;
    case 'false':
    case 'False':
    case 'FALSE':
      return false;
    case '':
    case '~':
    case 'null':
      return undefined;
    case '{}':
      return {};
    default:
      return /^[-+]?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
  }
}

/** `{site: hall-2, floor: 1}`: texts as written; anything else stays a text, which no map setting takes. */
function mapOf(text: string): unknown {
  const inside = /^\{(.*)\}$/s.exec(text.trim())?.[1];
  if (inside === undefined) return scalarOf(text);
  const pairs = inside
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '')
    .map((pair) => /^([^:]+):\s+(.*)$/s.exec(pair));
  if (pairs.includes(null)) return text;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1]?.trim() ?? '', pair?.[2] ?? '']));
}
