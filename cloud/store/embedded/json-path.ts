/** Owns the JSONPath of printer columns and scale paths: `.a.b`, `[0]`, `[*]`, `['key']`, `[?(@.type=="Ready")]`. */
import { isRecord, own } from './json-value.ts';

type Step = (value: unknown) => unknown[];

/** All hits of the path in an object. */
export type JsonPath = (value: unknown) => unknown[];

const compiled = new Map<string, JsonPath>();

/** Undefined where the path is not understood. */
export function compileJsonPath(path: string): JsonPath | undefined {
  const known = compiled.get(path);
  if (known !== undefined) return known;
  const steps = parse(path);
  if (steps === undefined) return undefined;
  const evaluate: JsonPath = (value) => steps.reduce<unknown[]>((hits, step) => hits.flatMap(step), [value]);
  if (compiled.size < 1000) compiled.set(path, evaluate);
  return evaluate;
}

const FILTER = /^\[\?\(@((?:\.[A-Za-z0-9_-]+)+)\s*==\s*(?:"([^"]*)"|'([^']*)'|([^\s)]+))\s*\)\]/;
const MEMBER = /^\.((?:\\.|[^.[\]\\*])+)/;
const QUOTED = /^\[(?:'([^']*)'|"([^"]*)")\]/;
const INDEX = /^\[(-?\d+)\]/;
const ALL = /^(?:\[\*\]|\.\*)/;

function parse(path: string): Step[] | undefined {
  let rest = path
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .replace(/^\$/, '');
  if (rest !== '' && !rest.startsWith('.') && !rest.startsWith('[')) rest = `.${rest}`;
  const steps: Step[] = [];
  while (rest !== '') {
    const next = parseStep(rest);
    if (next === undefined) return undefined;
    steps.push(next.step);
    rest = rest.slice(next.length);
  }
  return steps;
}

function parseStep(rest: string): { step: Step; length: number } | undefined {
  const all = ALL.exec(rest);
  if (all !== null) return { step: everything, length: all[0].length };
  const filter = FILTER.exec(rest);
  if (filter !== null) {
    const keys = (filter[1] ?? '').slice(1).split('.');
    const wanted = filter[2] ?? filter[3] ?? filter[4] ?? '';
    const step: Step = (value) => everything(value).filter((item) => String(keys.reduce<unknown>(own, item)) === wanted);
    return { step, length: filter[0].length };
  }
  const named = QUOTED.exec(rest) ?? MEMBER.exec(rest);
  if (named !== null) {
    const key = (named[1] ?? named[2] ?? '').replace(/\\(.)/g, '$1');
    return { step: (value) => one(own(value, key)), length: named[0].length };
  }
  const index = INDEX.exec(rest);
  if (index === null) return undefined;
  const at = Number(index[1]);
  return { step: (value) => (Array.isArray(value) ? one((value as unknown[]).at(at)) : []), length: index[0].length };
}

function everything(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return isRecord(value) ? Object.values(value) : [];
}

function one(value: unknown): unknown[] {
  return value === undefined ? [] : [value];
}
