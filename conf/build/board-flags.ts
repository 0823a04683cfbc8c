/** Owns dist/board-flags.tsv: which node flags the launcher gives to the edge on which board. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

interface Row {
  id: string;
  match: string;
  flags: string;
}

/**
 * Lines `id<TAB>part of /proc/device-tree/model<TAB>flags`, the most telling match first; `*` matches every model and comes last.
 * Source: `id` (default: the file's name), `match: [..]` and `nodeFlags: [..]` of boards/*.yaml.
 */
export function boardFlags(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const rows = files.flatMap((name) => rowsOf(name, readFileSync(path.join(folder, name), 'utf8')));
  const weight = (row: Row): number => (row.match === '*' ? -1 : row.match.length);
  rows.sort((a, b) => weight(b) - weight(a) || (a.id < b.id ? -1 : 1));
  return rows.map((row) => `${row.id}\t${row.match}\t${row.flags}\n`).join('');
}

function rowsOf(file: string, text: string): Row[] {
  const board: unknown = parse(text);
  if (typeof board !== 'object' || board === null) throw new Error(`boards/${file}: must be a mapping`);
  const fields = new Map<string, unknown>(Object.entries(board));
  const id = fields.get('id') ?? file.replace(/\.yaml$/, '');
  const flags = texts(file, 'nodeFlags', fields.get('nodeFlags')).join(' ');
  const matches = texts(file, 'match', fields.get('match'));
  if (typeof id !== 'string') throw new Error(`boards/${file}: id must be a text`);
  return (matches.length === 0 ? ['*'] : matches).map((match) => ({ id, match, flags: flags === '' ? '-' : flags }));
}

function texts(file: string, field: string, value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (typeof item !== 'string' || /[\t\n]/.test(item)) throw new Error(`boards/${file}: ${field} must be a list of texts without tabs`);
    return item;
  });
}
