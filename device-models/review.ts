/** Owns the judgement on a Device or DeviceModel that is created or changed: what is refused, warned of, or shown as a condition. */
import { field, fieldsAt, fieldsOf, listOf, nameOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { unknownFields } from './known-fields.ts';
import { quoted, sentenceOf } from './problem.ts';
import type { Problem } from './problem.ts';
import { readModel, readProfile } from './read-profile.ts';
import { claimOf, modelKeyOf, surroundingProblems } from './surroundings.ts';
import type { Claim } from './surroundings.ts';

/** What is known of the other objects; all of it may be a moment old. */
export interface ReviewContext {
  /** The DeviceModel under `namespace/name`; undefined: there is none. */
  model(key: string): Fields | undefined;
  nodeKnown(node: string): boolean;
  /** Another Device that wants the same name on the same node: the oldest one. */
  rival(claim: Claim): Claim | undefined;
  /** The Devices that use the DeviceModel under `namespace/name`. */
  users(modelKey: string): Iterable<Fields>;
}

export type ReviewedKind = 'Device' | 'DeviceModel';

export interface ReviewedChange {
  kind: ReviewedKind;
  /** Absent when it is deleted. */
  object?: Fields;
  /** As it was before; absent when it is created. */
  previous?: Fields;
}

/** Devices of a model that are named in one sentence; the others are counted. */
const MOST_NAMED = 3;
/** Devices of a model that are read anew when it changes; a model of thousands is judged by its first ones. */
const MOST_READ = 100;

/**
 * Pure, never throws. A `refuse` is only what the change brings: an object that is there already stays editable, whatever is wrong with
 * it, so that what was wrong before comes as a `condition`. A change outside spec and desired values (labels, finalizers, reports of the
 * controller) has no findings, nor is a deletion ever refused.
 */
export function review(change: ReviewedChange, context: ReviewContext): Problem[] {
  const { kind, object, previous } = change;
  if (object === undefined) return previous === undefined || kind === 'Device' ? [] : orphans(previous, context);
  if (previous !== undefined && sameContent(object, previous)) return [];
  const problems = faultsOf(kind, object, context);
  if (previous === undefined) return problems;
  const left = kind === 'DeviceModel' ? consequences({ object, previous }, context) : [];
  const before = { object: previous, problems: faultsOf(kind, previous, context) };
  return [...withoutOld({ object, problems }, before), ...left];
}

/** Everything that is wrong with the object as it is. */
function faultsOf(kind: ReviewedKind, object: Fields, context: ReviewContext): Problem[] {
  const slips = unknownFields(kind, object);
  if (kind === 'DeviceModel') return [...readModel(object).problems, ...slips];
  const key = modelKeyOf(object);
  const { profile, problems } = readProfile(object, key === undefined ? undefined : context.model(key));
  const { node } = profile;
  if (node === undefined) return [...problems, ...slips];
  const claim = claimOf(object, node);
  return [
    ...problems,
    ...surroundingProblems(object, claim, { nodeKnown: context.nodeKnown(node), rival: context.rival(claim) }),
    ...slips,
  ];
}

interface Judged {
  object: Fields;
  problems: readonly Problem[];
}

/** A fault is the same one when its sentence is, and its place but for the order of lists. */
function withoutOld(now: Judged, before: Judged): Problem[] {
  const known = new Map<string, number>();
  const identity = ({ path, message }: Problem, { object }: Judged): string => `${steadyPath(object, path)} ${message}`;
  for (const problem of before.problems) {
    const key = identity(problem, before);
    known.set(key, (known.get(key) ?? 0) + 1);
  }
  return now.problems.map((problem) => {
    if (problem.severity !== 'refuse') return problem;
    const key = identity(problem, now);
    const count = known.get(key) ?? 0;
    if (count === 0) return problem;
    known.set(key, count - 1);
    return { ...problem, severity: 'condition' };
  });
}

/** `spec.propertyVisitors[2].modbus` -> `spec.propertyVisitors[pressure].modbus`: an entry that moved is still the same. */
function steadyPath(object: Fields, path: string): string {
  let at: unknown = object;
  return path.replace(/([^.[\]]+)|\[(\d+)\]/g, (step: string, name: string | undefined, index: string | undefined) => {
    if (index === undefined) {
      at = field(fieldsOf(at), name ?? '');
      return step;
    }
    at = listOf(at)[Number(index)];
    const entry = fieldsOf(at);
    return `[${nameOf(field(entry, 'propertyName')) ?? nameOf(field(entry, 'name')) ?? ''}]`;
  });
}

/** What users write: spec, and desired values wherever they stand. */
function sameContent(object: Fields, previous: Fields): boolean {
  return sameJson(object['spec'], previous['spec']) && sameJson(desiredOf(object), desiredOf(previous));
}

function desiredOf(object: Fields): unknown[] {
  return listOf(field(fieldsAt(object, 'status'), 'twins'))
    .map((twin) => {
      const entry = fieldsOf(twin);
      const desired = field(entry, 'desired');
      return desired === undefined ? undefined : [field(entry, 'propertyName'), desired];
    })
    .filter((entry) => entry !== undefined);
}

/** Equal as JSON; the order of members does not count. */
function sameJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    const other = listOf(right);
    return Array.isArray(right) && left.length === other.length && left.every((item, index) => sameJson(item, other[index]));
  }
  const [a, b] = [fieldsOf(left), fieldsOf(right)];
  if (a === undefined || b === undefined) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]));
}

/** What a change of a model breaks in the devices that use it. */
function consequences({ object, previous }: { object: Fields; previous: Fields }, context: ReviewContext): Problem[] {
  const broken: { key: string; sentence: string }[] = [];
  let read = 0;
  for (const device of context.users(keyOf(object))) {
    if ((read += 1) > MOST_READ) break;
    const before = new Set(ownFaults(device, previous));
    const sentence = ownFaults(device, object).find((fault) => !before.has(fault));
    if (sentence !== undefined) broken.push({ key: keyOf(device), sentence });
  }
  const [first] = broken;
  if (first === undefined) return [];
  const others = broken.length > 1 ? `; and ${broken.length - 1} more of its devices have faults by this change` : '';
  return [{ severity: 'warn', path: 'spec', message: `Device ${first.key} does not fit any more: ${first.sentence}${others}` }];
}

/** Faults of the device against this model; the model's own are told with the model. */
function ownFaults(device: Fields, model: Fields): string[] {
  const { problems } = readProfile(device, model);
  return problems.filter(({ severity, path }) => severity !== 'warn' && !path.startsWith('model:')).map(sentenceOf);
}

/** A model that goes while devices use it. */
function orphans(model: Fields, context: ReviewContext): Problem[] {
  const keys = [...context.users(keyOf(model))].map(keyOf);
  if (keys.length === 0) return [];
  const more = keys.length > MOST_NAMED ? ` and ${keys.length - MOST_NAMED} more` : '';
  const shown = keys.slice(0, MOST_NAMED).map(quoted).join(', ');
  return [{ severity: 'warn', path: '', message: `the DeviceModel is still used by ${shown}${more}: remove them too, or create it again` }];
}

function keyOf(object: Fields): string {
  const { namespace, name } = claimOf(object, '');
  return `${namespace}/${name}`;
}
