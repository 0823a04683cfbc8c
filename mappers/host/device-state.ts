/** Owns the state of a device as its readings show it: online, offline, unhealthy, and why. Pure. */

export type StateWord = 'online' | 'offline' | 'unhealthy' | 'unknown';

export interface DeviceState {
  readonly word: StateWord;
  /** One sentence; absent when everything is fine. */
  readonly reason?: string;
}

export interface Liveness {
  /** Undefined before the first attempt. */
  readonly reachable: boolean | undefined;
  /** Unanswered attempts in a row. */
  readonly misses: number;
  /** Monotonic ms. */
  readonly answeredAt: number | undefined;
  readonly lastMiss?: string;
}

export const UNTRIED: Liveness = { reachable: undefined, misses: 0, answeredAt: undefined };

export function afterAnswer(at: number): Liveness {
  return { reachable: true, misses: 0, answeredAt: at };
}

/** So many unanswered attempts in a row make a device offline, whatever its cycle. */
const MISSES = 2;
const CYCLES = 2;

/**
 * One lost frame is no outage: a device goes offline with the second miss, or when nothing came for two collect cycles, or at once when
 * it never answered or its link cannot be opened (`certain`).
 */
export function afterMiss(before: Liveness, miss: { at: number; cycleMs: number; reason: string; certain: boolean }): Liveness {
  const misses = before.misses + 1;
  const silent = before.answeredAt === undefined || miss.at - before.answeredAt >= CYCLES * miss.cycleMs;
  const gone = miss.certain || misses >= MISSES || silent || before.reachable === false;
  return { reachable: !gone, misses, answeredAt: before.answeredAt, lastMiss: miss.reason };
}

export interface Findings {
  readonly liveness: Liveness;
  /** Points that failed when they were last read, in order: name -> error. */
  readonly failing: ReadonlyMap<string, string>;
  /** Why desired values are not written. */
  readonly refusals: readonly string[];
}

/** undefined before anything is known. */
export function stateOf({ liveness, failing, refusals }: Findings): DeviceState | undefined {
  if (liveness.reachable === undefined) return undefined;
  if (!liveness.reachable) return { word: 'offline', ...(liveness.lastMiss === undefined ? {} : { reason: liveness.lastMiss }) };
  const first = failing.entries().next().value;
  if (first !== undefined) {
    const others = failing.size > 1 ? ` (and ${failing.size - 1} more)` : '';
    return { word: 'unhealthy', reason: `${first[0]}: ${first[1]}${others}` };
  }
  return refusals.length === 0 ? { word: 'online' } : { word: 'online', reason: refusals.join('; ').slice(0, REASON_LIMIT) };
}

/** A sentence for people, not a log. */
const REASON_LIMIT = 500;

export function sameState(left: DeviceState | undefined, right: DeviceState | undefined): boolean {
  return left?.word === right?.word && left?.reason === right?.reason;
}
