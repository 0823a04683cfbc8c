/** Owns the rules of one twin: merge of a local or a cloud message, versions, typed compare. Pure: no clock, no store, no topic. */
import { checkText, sameValue, valueTypeOf } from '#device-models/values.ts';
import type { MsgTwin, TwinVersion } from '#wire/device-messages.ts';
import { sameDoubt, type Doubt } from '#wire/quality.ts';
import { sameOutcome, type WriteOutcome } from '#wire/write-outcome.ts';
import type { Twin, TwinSide } from '../store/twin-table.ts';

export const TOMBSTONE = 'deleted';
const NEW_TYPE = 'string';

export interface MergeContext {
  /** Unix ms for the stamps. */
  readonly now: number;
  /** Half step of the property: numbers this close are the same value. */
  readonly tolerance: number;
  /** Reported versions start above it. */
  readonly versionBase?: number;
}

/** What is stored of one twin, and what a message says of it. */
export interface Meeting {
  readonly current: Twin | undefined;
  /** null = it is to be deleted. */
  readonly message: MsgTwin | null;
}

/** What a message did to one twin. */
export type Merge =
  | {
      readonly kind: 'written';
      readonly twin: Twin;
      /** The sides whose text (or existence) changed: they are stored, documented and sent upstream. */
      readonly changed: readonly ('expected' | 'actual' | 'meta')[];
      /** How good `actual` is changed: documented and sent upstream, but not stored. */
      readonly doubted: boolean;
      /** The sides that the message carried, changed or not: they are answered. */
      readonly answered: readonly ('expected' | 'actual')[];
      /** The message said something new of writing `expected`: stored, documented and sent upstream. */
      readonly wrote: boolean;
    }
  | { readonly kind: 'deleted'; readonly twin: Twin }
  | { readonly kind: 'untouched' }
  /** The cloud is behind: it is told what the edge has. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'invalid'; readonly reason: string };

export function isTombstone(twin: Twin | undefined): boolean {
  return twin?.type === TOMBSTONE;
}

/** A message of an MQTT client (reference/mqtt-topics.md 6.2 to 6.7): never refused on version grounds. */
export function mergeLocal(name: string, { current, message }: Meeting, context: MergeContext): Merge {
  const alive = current === undefined || isTombstone(current) ? undefined : current;
  if (message === null) {
    // `null` for a key that does not exist is ignored; the others of the message are applied (defect T9).
    return alive?.optional === true
      ? { kind: 'deleted', twin: tombstone(alive, bump(alive.expectedVersion), bump(alive.actualVersion, context.versionBase)) }
      : { kind: 'untouched' };
  }
  // No twin is made for a value that nobody has.
  if (alive === undefined && message.quality !== undefined && message.actual?.value === undefined) return { kind: 'untouched' };
  const type = alive?.type ?? wordOf(message) ?? NEW_TYPE;
  if (type !== '' && valueTypeOf(type) === undefined) return { kind: 'invalid', reason: 'the value type is not allowed' };
  for (const value of [message.expected?.value, message.actual?.value]) {
    const reason = value === undefined ? undefined : checkText(type, value);
    if (reason !== undefined) return { kind: 'invalid', reason };
  }
  const expected = stamped(message.expected?.value, context.now);
  // A reading of the future is a matter of clocks.
  const actual = stamped(message.actual?.value, Math.min(context.now, message.actual?.metadata?.timestamp ?? context.now));
  const base: Twin = alive ?? { name, type, optional: message.optional ?? true, settled: false };
  const changed: ('expected' | 'actual' | 'meta')[] = [];
  if (alive === undefined || (alive.optional && message.optional === false)) changed.push('meta');
  if (expected !== undefined && expected.value !== base.expected?.value) changed.push('expected');
  if (actual !== undefined && actual.value !== base.actual?.value) changed.push('actual');
  const twin: Twin = {
    ...base,
    optional: base.optional && message.optional !== false,
    expected: changed.includes('expected') ? expected : base.expected,
    // An equal report renews the stamp only (D11: equal values write nothing).
    actual: actual ?? base.actual,
    expectedVersion: changed.includes('expected') ? bump(current?.expectedVersion) : (base.expectedVersion ?? current?.expectedVersion),
    actualVersion: changed.includes('actual')
      ? bump(current?.actualVersion, context.versionBase)
      : (base.actualVersion ?? current?.actualVersion),
  };
  const answered = [...(expected === undefined ? [] : ['expected' as const]), ...(actual === undefined ? [] : ['actual' as const])];
  const write = outcomeAfter(base, twin, message.write);
  const wrote = write !== undefined && write !== base.write;
  const doubt = doubtAfter(base, message);
  return {
    kind: 'written',
    twin: withDoubt(withOutcome({ ...twin, settled: settles(base, twin, context.tolerance) }, write), doubt),
    changed,
    doubted: !sameDoubt(doubt, base.doubt),
    answered,
    wrote,
  };
}

export interface CloudContext extends MergeContext {
  /** Between our two sides: an absent `expected` is withdrawn, `actual` never flows down, the type is the model's. */
  readonly ours: boolean;
  /** Set when the Device or the cluster is another one than before: versions start afresh. */
  readonly afresh: 'device' | 'cluster' | undefined;
}

/** A twin of the cloud, from `cloud_updated` or a membership message (mqtt-topics.md 6.5; DESIGN section 4 "Desired"). */
export function mergeCloud(name: string, { current, message }: Meeting, context: CloudContext): Merge {
  const stored = context.afresh !== undefined ? undefined : current?.expectedVersion;
  const offered = message?.expected_version;
  if (message === null || wordOf(message) === TOMBSTONE) {
    if (current === undefined || isTombstone(current)) return { kind: 'untouched' };
    if (offered !== undefined && isBehind(offered, stored)) return { kind: 'refused', reason: 'the version is older than the stored one' };
    return { kind: 'deleted', twin: tombstone(current, offered ?? current.expectedVersion, current.actualVersion) };
  }
  const alive = current === undefined || isTombstone(current) ? undefined : current;
  const type = context.ours ? (wordOf(message) ?? alive?.type ?? NEW_TYPE) : (alive?.type ?? wordOf(message) ?? NEW_TYPE);
  if (type !== '' && valueTypeOf(type) === undefined) return { kind: 'invalid', reason: 'the value type is not allowed' };
  const wants = message.expected !== undefined || context.ours;
  if (wants && offered === undefined) return { kind: 'refused', reason: 'the version is missing' };
  if (wants && offered !== undefined && isBehind(offered, stored))
    return { kind: 'refused', reason: 'the version is older than the stored one' };
  const text = wantedText(message, type, context.ours);
  const reason = text === undefined ? undefined : checkText(type, text);
  if (reason !== undefined) return { kind: 'invalid', reason };
  const fresh: Twin = alive ?? { name, type, optional: message.optional ?? false, settled: false };
  const base: Twin = { ...fresh, type, optional: fresh.optional && message.optional !== false };
  const desired = wants ? mergeDesired(base, text, context) : base;
  const actual = context.ours ? undefined : cloudActual(base, message, context.now);
  const twin: Twin = { ...desired, ...actual, expectedVersion: wants ? offered : base.expectedVersion };
  const changed: ('expected' | 'actual' | 'meta')[] = [];
  if (alive === undefined || alive.type !== twin.type || alive.optional !== twin.optional) changed.push('meta');
  if (twin.expected?.value !== alive?.expected?.value) changed.push('expected');
  if (actual !== undefined && twin.actual?.value !== alive?.actual?.value) changed.push('actual');
  // A new Device wants to hear of its own writes only.
  const write = context.afresh === 'device' ? undefined : outcomeAfter(base, twin, undefined);
  const merged = withOutcome({ ...twin, settled: settles(base, twin, context.tolerance) }, write);
  return { kind: 'written', twin: merged, changed, doubted: false, answered: [], wrote: false };
}

/** Only a changed text of the cloud wins; the same text leaves a local override alone and raises the version only. */
function mergeDesired(base: Twin, text: string | undefined, { now, afresh }: CloudContext): Twin {
  // A Device that was made anew wants nothing of what its namesake wanted; another cluster's silence takes nothing away.
  if (afresh === 'device' && text === undefined && !isOverride(base)) return { ...base, cloudText: undefined, expected: undefined };
  const known = afresh !== undefined ? undefined : base.cloudText;
  if (text === known && !(text !== undefined && base.expected === undefined)) return { ...base, cloudText: text };
  const expected = text === undefined ? undefined : base.expected?.value === text ? base.expected : { value: text, timestamp: now };
  return { ...base, cloudText: text, expected };
}

/** KubeEdge clouds send `""` where nobody has set a desired value; ours leave `expected` out. `""` is a value for strings only. */
function wantedText(message: MsgTwin, type: string, ours: boolean): string | undefined {
  const text = message.expected?.value;
  if (text !== '') return text;
  return ours && valueTypeOf(type) === 'string' ? '' : undefined;
}

function cloudActual(base: Twin, message: MsgTwin, now: number): Pick<Twin, 'actual' | 'actualVersion'> | undefined {
  const value = message.actual?.value;
  const offered = message.actual_version;
  if (value === undefined || offered === undefined || isOlder(offered, base.actualVersion)) return undefined;
  if (checkText(base.type, value) !== undefined) return undefined;
  return { actual: { value, timestamp: now }, actualVersion: offered };
}

/**
 * KubeEdge refuses whatever has a lower edge number, so that one local write locks the cloud out for ever (defect T4):
 * a newer cloud number wins alone.
 */
function isBehind(offered: TwinVersion, stored: TwinVersion | undefined): boolean {
  return stored !== undefined && offered.cloud < stored.cloud;
}

function isOlder(offered: TwinVersion, stored: TwinVersion | undefined): boolean {
  return stored !== undefined && (offered.cloud < stored.cloud || offered.edge < stored.edge);
}

function wordOf(message: MsgTwin): string | undefined {
  const word = message.metadata?.type;
  return word === undefined || word === '' ? undefined : word;
}

function stamped(value: string | undefined, timestamp: number): TwinSide | undefined {
  return value === undefined ? undefined : { value, timestamp };
}

function bump(version: TwinVersion | undefined, base = 0): TwinVersion {
  return { cloud: version?.cloud ?? 0, edge: Math.max(version?.edge ?? 0, base) + 1 };
}

function tombstone(twin: Twin, expectedVersion: TwinVersion | undefined, actualVersion: TwinVersion | undefined): Twin {
  return { name: twin.name, type: TOMBSTONE, optional: twin.optional, expectedVersion, actualVersion, settled: false };
}

/** Settled once `actual` has met this `expected`; a new `expected` starts over. */
function settles(before: Twin, after: Twin, tolerance: number): boolean {
  if (after.expected === undefined) return false;
  const met = after.actual !== undefined && sameValue(after.type, after.expected.value, after.actual.value, tolerance);
  return met || (before.settled && before.expected === after.expected);
}

/** An outcome is that of one `expected`, by text and stamp: what is said of another one comes too late. */
function outcomeAfter(before: Twin, after: Twin, told: WriteOutcome | undefined): WriteOutcome | undefined {
  const { expected } = after;
  if (expected === undefined) return undefined;
  const kept = before.expected === expected ? before.write : undefined;
  const fits = told !== undefined && told.desired === expected.value && told.stamp === expected.timestamp;
  return !fits || sameOutcome(told, kept) ? kept : told;
}

/** A value that comes without a doubt is good; a doubt alone is about the value that is there, or says why there is none yet. */
function doubtAfter(before: Twin, { actual, quality }: MsgTwin): Doubt | undefined {
  return actual?.value !== undefined ? quality : (quality ?? before.doubt);
}

function withDoubt({ doubt: _before, ...twin }: Twin, doubt: Doubt | undefined): Twin {
  return doubt === undefined ? twin : { ...twin, doubt };
}

function withOutcome({ write: _before, ...twin }: Twin, write: WriteOutcome | undefined): Twin {
  return write === undefined ? twin : { ...twin, write };
}

/** true when the expected value differs from what the cloud wants. */
export function isOverride(twin: Twin): boolean {
  return twin.expected?.value !== twin.cloudText;
}

/** true when a mapper has to be told: there is an expected value and the device does not have it. */
export function differs(twin: Twin, tolerance: number): boolean {
  if (twin.expected === undefined || isTombstone(twin)) return false;
  return twin.actual === undefined || !sameValue(twin.type, twin.expected.value, twin.actual.value, tolerance);
}
