/** Owns YAML files with positions: documents as an API server would be given them, and where each field stands. */
import { LineCounter, isMap, isPair, isScalar, isSeq, parseAllDocuments } from 'yaml';
import type { Document, Node, ScalarTag } from 'yaml';
import { fieldsOf } from './fields.ts';
import type { Fields } from './fields.ts';

export interface Position {
  /** Both from 1. */
  line: number;
  column: number;
}

export interface SourceDocument {
  file: string;
  /** Absent when the document is no mapping. */
  content?: Fields;
  start: Position;
  /** Faults of the YAML itself; `content` is then not to be trusted. */
  errors: { message: string; at: Position }[];
  /** Where a field stands; for one that is missing, its nearest parent. `path` as in Problem: `spec.properties[0].name`. */
  locate(path: string): Position;
}

/** kubectl turns these into booleans before any server sees them; other relics of YAML 1.1 (times, base 60) it leaves alone. */
const bareBooleans: ScalarTag[] = [
  { tag: 'tag:yaml.org,2002:bool', default: true, test: /^(?:[yY]|yes|Yes|YES|on|On|ON)$/, resolve: () => true },
  { tag: 'tag:yaml.org,2002:bool', default: true, test: /^(?:[nN]|no|No|NO|off|Off|OFF)$/, resolve: () => false },
];

/** All documents of a file that hold something; never throws. */
export function readYaml(file: string, text: string): SourceDocument[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    customTags: (tags) => [...bareBooleans, ...tags],
    merge: true,
    prettyErrors: false,
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  return documents
    .filter((document) => document.contents !== null || document.errors.length > 0)
    .map((document) => sourceOf({ file, document, at }));
}

function sourceOf({ file, document, at }: { file: string; document: Document.Parsed; at: (offset: number) => Position }): SourceDocument {
  const start = at(document.contents?.range[0] ?? document.range[0]);
  const errors = document.errors.map(({ message, pos }) => ({ message, at: at(pos[0]) }));
  const content = errors.length === 0 ? fieldsOf(plain(document)) : undefined;
  return {
    file,
    start,
    errors,
    ...(content === undefined ? {} : { content }),
    locate: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? start : at(offset);
    },
  };
}

/** As JSON, because that is what an API server is given. */
function plain(document: Document.Parsed): unknown {
  const json = JSON.stringify(document.toJS({ maxAliasCount: 100 })) as string | undefined;
  return json === undefined ? undefined : JSON.parse(json);
}

function offsetOf(document: Document.Parsed, path: string): number | undefined {
  const steps = [...path.matchAll(/\[(\d+)\]|([^.[\]]+)/g)];
  let node: Node | null = document.contents;
  let offset: number | undefined;
  for (const [, index, name] of steps) {
    const next = index === undefined ? memberOf(node, name ?? '') : itemOf(node, Number(index));
    if (next === undefined) break;
    offset = next.offset ?? offset;
    node = next.node;
  }
  return offset;
}

interface Step {
  node: Node | null;
  offset: number | undefined;
}

function memberOf(node: Node | null, name: string): Step | undefined {
  if (!isMap(node)) return undefined;
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value).toLowerCase() === name.toLowerCase());
  if (pair === undefined || !isPair(pair)) return undefined;
  return { node: asNode(pair.value), offset: asNode(pair.key)?.range?.[0] };
}

function itemOf(node: Node | null, index: number): Step | undefined {
  const item = isSeq(node) ? asNode(node.items[index]) : null;
  return item === null ? undefined : { node: item, offset: item.range?.[0] };
}

function asNode(value: unknown): Node | null {
  return typeof value === 'object' && value !== null && 'range' in value ? (value as Node) : null;
}
