/**
 * Owns what becomes of one desired value: written once per version, retried while the write fails, asserted again only after the device
 * was away (DESIGN section 4). Pure: `(state, input) -> { state, effect }`, no timer, no device.
 */

/** One desired value as somebody set it. The same text set again later is another version. */
export interface Version {
  readonly text: string;
  /** expected.metadata.timestamp. */
  readonly stamp: number;
}

export type DesiredState =
  | { readonly phase: 'none' }
  /** To be written as soon as the device can be reached. */
  | { readonly phase: 'pending'; readonly version: Version }
  /** A write of `writing` is under way; `version` is newer when somebody set another one meanwhile. */
  | { readonly phase: 'writing'; readonly version: Version; readonly writing: Version }
  /** The write failed and will be tried again. */
  | { readonly phase: 'waiting'; readonly version: Version; readonly reason: string }
  /** The device took it, but has not shown it yet. */
  | { readonly phase: 'written'; readonly version: Version }
  /** The device showed it: from now on it may change the value by itself. */
  | { readonly phase: 'settled'; readonly version: Version }
  /** The device was away since it took the value, and may have forgotten it: the next reading decides. */
  | { readonly phase: 'doubtful'; readonly version: Version }
  /** Must not or cannot be written; `byDevice`: the device said so. */
  | { readonly phase: 'refused'; readonly version: Version; readonly reason: string; readonly byDevice: boolean };

export type DesiredInput =
  /** The twin's answer to our question; `settled`: it was reached once. */
  | { readonly kind: 'known'; readonly version: Version; readonly settled: boolean }
  /** A delta names it. */
  | { readonly kind: 'wanted'; readonly version: Version }
  | { readonly kind: 'withdrawn' }
  | { readonly kind: 'started' }
  | { readonly kind: 'taken' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string; readonly byDevice: boolean }
  /** The pause after a failure is over. */
  | { readonly kind: 'retry' }
  /** The device showed a value; `same`: as desired, within what it can tell apart. */
  | { readonly kind: 'shown'; readonly same: boolean }
  /** The device could not be reached. */
  | { readonly kind: 'away' };

/** `write`: now, or when the device can be reached; `retry`: after a pause; `refusal`: tell people, once. */
export type DesiredEffect = 'write' | 'retry' | 'refusal';

export interface DesiredStep {
  readonly state: DesiredState;
  readonly effect?: DesiredEffect;
}

export const NO_DESIRED: DesiredState = { phase: 'none' };

export function stepDesired(state: DesiredState, input: DesiredInput): DesiredStep {
  switch (input.kind) {
    case 'known':
    case 'wanted':
      return arrived(state, input);
    case 'withdrawn':
      return { state: NO_DESIRED };
    case 'started':
      return state.phase === 'pending' ? { state: { phase: 'writing', version: state.version, writing: state.version } } : { state };
    case 'taken':
    case 'failed':
    case 'refused':
      return state.phase === 'writing' ? finished(state, input) : { state };
    case 'retry':
      return state.phase === 'waiting' ? { state: { phase: 'pending', version: state.version }, effect: 'write' } : { state };
    case 'shown':
      return shown(state, input.same);
    case 'away':
      return { state: wentAway(state) };
  }
}

export function sameVersion(left: Version, right: Version): boolean {
  return left.text === right.text && left.stamp === right.stamp;
}

/** A version that is known already changes nothing, however often the twin repeats it. */
function arrived(
  state: DesiredState,
  input: { kind: 'known'; version: Version; settled: boolean } | { kind: 'wanted'; version: Version },
): DesiredStep {
  const { version } = input;
  if (state.phase !== 'none' && sameVersion(state.version, version)) return { state };
  if (state.phase === 'writing') return { state: { ...state, version } };
  if (input.kind === 'known' && input.settled) return { state: { phase: state.phase === 'doubtful' ? 'doubtful' : 'settled', version } };
  return { state: { phase: 'pending', version }, effect: 'write' };
}

type Outcome = { kind: 'taken' } | { kind: 'failed'; reason: string } | { kind: 'refused'; reason: string; byDevice: boolean };

function finished(state: DesiredState & { phase: 'writing' }, outcome: Outcome): DesiredStep {
  const { version } = state;
  if (!sameVersion(state.writing, version)) return { state: { phase: 'pending', version }, effect: 'write' };
  if (outcome.kind === 'taken') return { state: { phase: 'written', version } };
  if (outcome.kind === 'failed') return { state: { phase: 'waiting', version, reason: outcome.reason }, effect: 'retry' };
  return { state: { phase: 'refused', version, reason: outcome.reason, byDevice: outcome.byDevice }, effect: 'refusal' };
}

function shown(state: DesiredState, same: boolean): DesiredStep {
  const open = state.phase === 'pending' || state.phase === 'written' || state.phase === 'waiting';
  if (open && same) return { state: { phase: 'settled', version: state.version } };
  if (state.phase !== 'doubtful') return { state };
  return same
    ? { state: { phase: 'settled', version: state.version } }
    : { state: { phase: 'pending', version: state.version }, effect: 'write' };
}

/** What waits for a pause is tried as soon as the device is back; a refusal of ours stays one. */
function wentAway(state: DesiredState): DesiredState {
  switch (state.phase) {
    case 'written':
    case 'settled':
      return { phase: 'doubtful', version: state.version };
    case 'waiting':
      return { phase: 'pending', version: state.version };
    case 'refused':
      return state.byDevice ? { phase: 'doubtful', version: state.version } : state;
    case 'none':
    case 'pending':
    case 'writing':
    case 'doubtful':
      return state;
  }
}
