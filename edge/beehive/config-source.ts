/** Owns reading a configuration file into paths, values and the places where they stand. */
import { readFileSync } from 'node:fs';
import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, type Document, type Node, type YAMLMap } from 'yaml';
import type { Reading } from './config-set.ts';
import type { ConfigSchema, Setting } from './config.ts';
import { HiveletError } from './errors.ts';
import { reasonOf } from './system-error.ts';

type AnySchema = ConfigSchema<readonly Setting[]>;

/** Deeper than any setting; an alias to its own parent must not be followed for ever. */
const MAX_DEPTH = 10;

/** Adds to `reading` and answers whether it is a KubeEdge file. Throws CONFIG_INVALID when the file cannot be read at all. */
export function readFile(schema: AnySchema, file: string, reading: Reading): boolean {
  const lines = new LineCounter();
  const document = parseDocument(textOf(file), { lineCounter: lines });
  for (const error of document.errors) {
    reading.faults.push(`${file}:${String(error.linePos?.[0].line ?? 1)}: ${error.message.split('\n')[0] ?? ''}`);
  }
  if (document.errors.length > 0 || document.contents === null) return false;
  const root = document.contents;
  if (!isMap(root)) {
    reading.faults.push(`${file}:1: the file is not a map of settings`);
    return false;
  }
  const where = (node: unknown): string => `${file}:${String(lines.linePos(rangeStart(node)).line)}`;
  walk(root, { path: [], schema, document, where, reading });
  return readHeader(schema, file, reading);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HiveletError('CONFIG_INVALID', `cannot read the configuration file ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

interface Place {
  path: readonly string[];
  schema: AnySchema;
  document: Document;
  where: (node: unknown) => string;
  reading: Reading;
}

function walk(map: YAMLMap, place: Place): void {
  const { schema, document, where, reading } = place;
  for (const { key, value } of map.items) {
    const path = [...place.path, keyText(key)];
    const name = path.join('.');
    const setting = schema.settings.find((row) => row.path === name);
    const node = isAlias(value) ? value.resolve(document) : value;
    if (setting === undefined && isMap(node) && node.items.length > 0 && path.length < MAX_DEPTH) walk(node, { ...place, path });
    else reading.given.set(name, { value: valueOf(node, { setting, document }), where: where(key) });
  }
}

/** Texts keep what was written: `0123` is a password, `1.10` is a version. */
function valueOf(node: unknown, { setting, document }: { setting: Setting | undefined; document: Document }): unknown {
  const texts = ({ items }: YAMLMap): Record<string, unknown> =>
    Object.fromEntries(items.map(({ key, value }) => [keyText(key), value === null || isMap(value) ? null : text(value)]));
  const text = (item: unknown): unknown => {
    const resolved = isAlias(item) ? item.resolve(document) : item;
    if (!isScalar(resolved)) return {};
    return typeof resolved.value === 'string' || resolved.value === null ? resolved.value : (resolved.source ?? {});
  };
  if (setting?.type === 'string' && isScalar(node)) return text(node);
  if (setting?.type === 'strings' && isSeq(node)) return node.items.map((item) => (setting.item && isMap(item) ? texts(item) : text(item)));
  if (setting?.type === 'map' && isMap(node)) {
    return Object.fromEntries(node.items.map(({ key, value }) => [keyText(key), value === null ? null : text(value)]));
  }
  if (isScalar(node)) return node.value;
  if (isMap(node) && node.items.length === 0) return {};
  // What it is does not matter where it does not belong.
  return node === null || node === undefined ? undefined : [];
}

/** `kind` and `apiVersion` are no settings. */
function readHeader(schema: AnySchema, file: string, { given, faults }: Reading): boolean {
  const take = (key: string, otherwise: string): { value: unknown; where: string } => {
    const found = given.get(key);
    given.delete(key);
    return { value: found?.value ?? otherwise, where: found?.where ?? `${file}:1` };
  };
  const kind = take('kind', schema.kind);
  const apiVersion = take('apiVersion', schema.apiVersion);
  if (kind.value !== schema.kind) {
    faults.push(`${kind.where}: kind is ${JSON.stringify(kind.value)}; this program reads kind ${schema.kind}`);
  }
  const kubeedge = schema.kubeedgeApiVersions.some((known) => known === apiVersion.value);
  if (!kubeedge && apiVersion.value !== schema.apiVersion) {
    const known = [schema.apiVersion, ...schema.kubeedgeApiVersions].join(' or ');
    faults.push(`${apiVersion.where}: apiVersion ${JSON.stringify(apiVersion.value)} is not known; use ${known}`);
  }
  return kubeedge;
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : '?';
}

function rangeStart(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}
