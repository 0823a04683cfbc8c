/** Owns the offline check of YAML files with Devices and DeviceModels: what an API would refuse or warn of, at file, line and column. */
import { field, fieldsAt, fieldsOf, listOf, nameOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { quoted } from './problem.ts';
import type { Problem } from './problem.ts';
import { readModel } from './read-profile.ts';
import { review } from './review.ts';
import type { ReviewedKind } from './review.ts';
import { modelKeyOf } from './surroundings.ts';
import type { Claim } from './surroundings.ts';
import { readYaml } from './yaml-source.ts';
import type { Position, SourceDocument } from './yaml-source.ts';

/** A problem with its place. `object` names whom it concerns: `Device default/press-07`, '' for a fault of the YAML. */
export interface Finding extends Problem, Position {
  file: string;
  object: string;
}

export interface Validation {
  /** In the order of files and lines. */
  findings: Finding[];
  /** How many Devices and DeviceModels were checked. */
  devices: number;
  models: number;
}

interface Item {
  source: SourceDocument;
  /** '' or, for an entry of a List, `items[3].`. */
  prefix: string;
  kind: ReviewedKind;
  key: string;
  content: Fields;
}

/** Checks all files together: a device is checked against its model wherever in them that is. */
export function validateYaml(files: readonly { file: string; text: string }[]): Validation {
  const findings: Finding[] = [];
  const sources = files.flatMap(({ file, text }) => readYaml(file, text));
  for (const source of sources) findings.push(...yamlFaults(source));
  const items = sources.flatMap(itemsOf);
  const models = new Map(items.filter(({ kind }) => kind === 'DeviceModel').map((item) => [item.key, item.content]));
  const seen = new Set<string>();
  const claims = new Map<string, Claim>();
  for (const item of items) {
    const problems = [...checkHead(item, seen), ...checkBody(item, { models, claims })];
    findings.push(...problems.map((problem) => locate(item, problem)));
  }
  const order = new Map(files.map(({ file }, index) => [file, index]));
  const rank = ({ file }: Finding): number => order.get(file) ?? 0;
  findings.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
  const count = (kind: string): number => items.filter((item) => item.kind === kind).length;
  return { findings, devices: count('Device'), models: count('DeviceModel') };
}

/** `file:line:column: refused: spec.x: sentence`, the form that editors and terminals link. */
export function formatFinding({ file, line, column, severity, path, message }: Finding): string {
  const words = { refuse: 'refused', condition: 'condition', warn: 'warning' } as const;
  return `${file}:${line}:${column}: ${words[severity]}: ${path === '' ? '' : `${path}: `}${message}`;
}

function yamlFaults({ file, errors, content, start }: SourceDocument): Finding[] {
  const refused = (message: string, at: Position): Finding => ({ file, ...at, severity: 'refuse', path: '', object: '', message });
  if (errors.length > 0) return errors.map(({ message, at }) => refused(`this is no YAML: ${message}`, at));
  if (nameOf(content?.['kind']) !== undefined) return [];
  return [refused('this is no Kubernetes object: write a mapping with apiVersion, kind, metadata and spec', start)];
}

/** The Devices and DeviceModels of a document, also those in a List; other kinds are none of our business. */
function itemsOf(source: SourceDocument): Item[] {
  const { content } = source;
  if (content === undefined) return [];
  const entries = /List$/.test(String(content['kind'])) ? listOf(content['items']) : undefined;
  const parts = entries?.map((entry, index) => ({ entry, prefix: `items[${index}].` })) ?? [{ entry: content, prefix: '' }];
  return parts.flatMap(({ entry, prefix }) => {
    const object = fieldsOf(entry);
    const kind = nameOf(object?.['kind']) ?? '';
    if (object === undefined || (kind !== 'Device' && kind !== 'DeviceModel')) return [];
    const metadata = fieldsAt(object, 'metadata');
    const key = `${nameOf(field(metadata, 'namespace')) ?? 'default'}/${nameOf(field(metadata, 'name')) ?? ''}`;
    return [{ source, prefix, kind, key, content: object }];
  });
}

function checkHead({ kind, key, content }: Item, seen: Set<string>): Problem[] {
  const problems: Problem[] = [];
  const version = nameOf(content['apiVersion']) ?? '';
  if (!/^devices\.kubeedge\.io\/v1(?:alpha1|alpha2|beta1)$/.test(version)) {
    const message = `${quoted(version)} has no ${kind}: write devices.kubeedge.io/v1alpha1, v1alpha2 or v1beta1`;
    problems.push({ severity: 'refuse', path: 'apiVersion', message });
  }
  const name = key.slice(key.indexOf('/') + 1);
  if (!/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)) {
    const message = `${quoted(name)} is no name of an object: write small letters, digits, - and .`;
    problems.push({ severity: 'refuse', path: 'metadata.name', message });
  }
  if (seen.has(`${kind} ${key}`))
    problems.push({ severity: 'warn', path: 'metadata.name', message: `${kind} ${key} is there twice and the last one wins: remove one` });
  seen.add(`${kind} ${key}`);
  return problems;
}

interface Files {
  models: ReadonlyMap<string, Fields>;
  /** Devices so far, by node and name: the first one in the files would be the oldest. */
  claims: Map<string, Claim>;
}

/** As admission does it, with the files for the cluster; a node may be anywhere. */
function checkBody({ kind, content }: Item, { models, claims }: Files): Problem[] {
  const problems = review(
    { kind, object: content },
    {
      model: (key) => models.get(key),
      nodeKnown: () => true,
      rival: (claim) => rivalAmong(claims, claim),
      users: () => [],
    },
  );
  if (kind === 'DeviceModel') return problems;
  const reference = nameOf(field(fieldsAt(content, 'spec', 'deviceModelRef'), 'name')) ?? '';
  const model = models.get(modelKeyOf(content) ?? '');
  if (model !== undefined) {
    // The model's own faults are told where the model is.
    const own = new Set(readModel(model).problems.map(({ path, message }) => `model:${path} ${message}`));
    return problems.filter(({ path, message }) => !own.has(`${path} ${message}`));
  }
  return problems.map((problem) =>
    problem.shownAs === 'ModelMissing'
      ? {
          ...problem,
          message: `DeviceModel ${quoted(reference)} is in none of these files, so its properties are not checked: name its file too`,
        }
      : problem,
  );
}

function rivalAmong(claims: Map<string, Claim>, claim: Claim): Claim | undefined {
  const slot = `${claim.node} ${claim.name}`;
  const first = claims.get(slot);
  if (first === undefined) claims.set(slot, { ...claim, created: '0' });
  return first?.namespace === claim.namespace ? undefined : first;
}

function locate({ source, prefix, kind, key }: Item, problem: Problem): Finding {
  const { file } = source;
  const object = `${kind} ${key}`;
  // A fault that a device has with its model's visitor is shown where the device chose its protocol.
  const path = problem.path.startsWith('model:') ? 'spec.protocol' : problem.path;
  const { severity, message } = problem;
  return { severity, path: problem.path, message, ...source.locate(prefix + path), file, object };
}
