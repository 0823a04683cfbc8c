/** Owns board profiles: reads boards/*.yaml and recognises the board that this is. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { field, fieldsAt, fieldsOf, listOf, nameOf, numberOf, textOf } from '#device-models/fields.ts';
import type { Fields } from '#device-models/fields.ts';

/** What a device may need from its board. */
export const attachments = ['dht11', 'uart', 'rs485', 'bluetooth'] as const;
export type Attachment = (typeof attachments)[number];

export interface BoardProfile {
  id: string;
  name: string;
  /** Parts of /proc/device-tree/model; empty: any machine. */
  match: string[];
  /** What the launcher gives to node for the edge. */
  nodeFlags: string[];
  /** `memoryMax` as systemd writes it: 160M. */
  memory: { budgetMiB: number; memoryMax: string };
  /** Unix groups that may use the board's ports and pins. */
  groups: string[];
  /** The file that takes the overlay lines; '' when the board has none. */
  configFile: string;
  serialPorts: { path: string; uart: string }[];
  /** Lines of `configFile` per attachment. */
  overlays: Partial<Record<Attachment, string[]>>;
  notes: Partial<Record<Attachment, string>>;
}

export interface Recognised {
  board: BoardProfile;
  /** As the device tree says it; '' on machines without one. */
  model: string;
}

/** All profiles, those with the longest match first, `generic` last. Throws CONFIG_INVALID naming file and field. */
export function loadBoards(folder: string = import.meta.dirname): BoardProfile[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const weight = ({ match }: BoardProfile): number => Math.max(-1, ...match.map((part) => part.length));
  return files.map((file) => readBoard(path.join(folder, file))).sort((a, b) => weight(b) - weight(a) || (a.id < b.id ? -1 : 1));
}

/**
 * The profile of this machine: of `wanted` (an id or a model; HIVELET_BOARD) or of the device tree below `root`; `generic` when none matches.
 * Throws CONFIG_INVALID when `wanted` is none.
 */
export function recogniseBoard(options: { root?: string; folder?: string; wanted?: string } = {}): Recognised {
  const { root = '/', folder, wanted = '' } = options;
  const boards = loadBoards(folder);
  const model = readModel(root);
  const sought = wanted === '' ? model : wanted;
  const found = boards.find(({ id, match }) => (wanted !== '' && id === wanted) || match.some((part) => sought.includes(part)));
  if (found !== undefined) return { board: found, model };
  if (wanted !== '') {
    const ids = boards.map(({ id }) => id).join(', ');
    throw new HiveletError('CONFIG_INVALID', `HIVELET_BOARD=${wanted} names no board: use one of ${ids}`);
  }
  const generic = boards.find(({ match }) => match.length === 0);
  if (generic === undefined)
    throw new HiveletError('CONFIG_INVALID', `${folder ?? import.meta.dirname} has no profile with an empty match`);
  return { board: generic, model };
}

function readModel(root: string): string {
  try {
    return readFileSync(path.join(root, 'proc/device-tree/model'), 'utf8').replaceAll('\0', '').trim();
  } catch {
    // Only machines with a device tree have it.
    return '';
  }
}

function readBoard(file: string): BoardProfile {
  let content: Fields | undefined;
  try {
    content = fieldsOf(parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new HiveletError('CONFIG_INVALID', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const read = new BoardReader(file, content ?? {});
  return {
    id: read.text('id'),
    name: read.text('name'),
    match: read.texts('match'),
    nodeFlags: read.texts('nodeFlags'),
    memory: read.memory(),
    groups: read.texts('groups'),
    configFile: textOf(field(content, 'configFile')) ?? '',
    serialPorts: read.serialPorts(),
    overlays: read.perAttachment('overlays', (value) => listOf(value).map((line) => textOf(line) ?? '')),
    notes: read.perAttachment('notes', (value) => textOf(value) ?? ''),
  };
}

class BoardReader {
  readonly #file: string;
  readonly #content: Fields;

  constructor(file: string, content: Fields) {
    this.#file = file;
    this.#content = content;
  }

  text(name: string): string {
    return nameOf(field(this.#content, name)) ?? this.#fail(name, 'must be a text');
  }

  texts(name: string): string[] {
    const value = field(this.#content, name);
    if (!Array.isArray(value)) return this.#fail(name, 'must be a list of texts on one line');
    return value.map((item) => nameOf(item) ?? this.#fail(name, 'must be a list of texts'));
  }

  memory(): BoardProfile['memory'] {
    const memory = fieldsAt(this.#content, 'memory');
    const memoryMax = nameOf(field(memory, 'memoryMax')) ?? '';
    const budgetMiB = numberOf(field(memory, 'budgetMiB')) ?? this.#fail('memory.budgetMiB', 'must be a number');
    return /^\d+[KMG]$/.test(memoryMax) ? { budgetMiB, memoryMax } : this.#fail('memory.memoryMax', 'must be a size such as 160M');
  }

  serialPorts(): BoardProfile['serialPorts'] {
    return listOf(field(this.#content, 'serialPorts')).map((entry, index) => {
      const port = nameOf(field(fieldsOf(entry), 'path')) ?? this.#fail(`serialPorts[${index}].path`, 'must be a path');
      return { path: port, uart: nameOf(field(fieldsOf(entry), 'uart')) ?? '' };
    });
  }

  perAttachment<T>(name: string, read: (value: unknown) => T): Partial<Record<Attachment, T>> {
    const entries = Object.entries(fieldsAt(this.#content, name) ?? {});
    const known = (key: string): Attachment =>
      attachments.find((each) => each === key) ?? this.#fail(`${name}.${key}`, `must be one of ${attachments.join(', ')}`);
    return Object.fromEntries(entries.map(([key, value]) => [known(key), read(value)]));
  }

  #fail(name: string, what: string): never {
    throw new HiveletError('CONFIG_INVALID', `${this.#file}: ${name} ${what}`);
  }
}
