/** Owns the state of the link to the cloud as a pure machine: offline, dialing, online, closed. */

export type LinkState =
  | { readonly name: 'offline'; /** Upper bound of the next wait, ms. */ readonly baseMs: number }
  | { readonly name: 'dialing'; readonly baseMs: number }
  | { readonly name: 'online'; readonly sinceMs: number; readonly baseMs: number }
  | { readonly name: 'closed' };

export type LinkInput =
  | { readonly kind: 'dial' }
  | { readonly kind: 'opened'; readonly nowMs: number }
  /** The attempt failed or the open link broke. `random` in [0, 1). */
  | { readonly kind: 'lost'; readonly nowMs: number; readonly random: number }
  | { readonly kind: 'close' };

export type LinkEffect =
  | { readonly kind: 'dial' }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'hangup' }
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected' };

/** Full jitter, 0.5 s to 30 s (DESIGN section 4). */
export const FIRST_WAIT_MS = 500;
export const LONGEST_WAIT_MS = 30_000;
/** A link that held this long starts over with the shortest wait; one that breaks sooner goes on backing off. */
export const STEADY_MS = 10_000;

export const initialLink: LinkState = { name: 'offline', baseMs: FIRST_WAIT_MS };

export function nextLink(state: LinkState, input: LinkInput): { state: LinkState; effects: readonly LinkEffect[] } {
  if (state.name === 'closed') return { state, effects: [] };
  switch (input.kind) {
    case 'dial':
      return state.name === 'offline'
        ? { state: { name: 'dialing', baseMs: state.baseMs }, effects: [{ kind: 'dial' }] }
        : { state, effects: [] };
    case 'opened':
      return state.name === 'dialing'
        ? { state: { name: 'online', sinceMs: input.nowMs, baseMs: state.baseMs }, effects: [{ kind: 'connected' }] }
        : { state, effects: [] };
    case 'lost':
      return lost(state, input);
    case 'close':
      return {
        state: { name: 'closed' },
        effects: state.name === 'online' ? [{ kind: 'hangup' }, { kind: 'disconnected' }] : [{ kind: 'hangup' }],
      };
  }
}

function lost(
  state: Exclude<LinkState, { name: 'closed' }>,
  input: { nowMs: number; random: number },
): { state: LinkState; effects: readonly LinkEffect[] } {
  if (state.name === 'offline') return { state, effects: [] };
  const steady = state.name === 'online' && input.nowMs - state.sinceMs >= STEADY_MS;
  const baseMs = steady ? FIRST_WAIT_MS : state.baseMs;
  const wait: LinkEffect = { kind: 'wait', ms: Math.max(1, input.random * baseMs) };
  const effects: LinkEffect[] = state.name === 'online' ? [{ kind: 'disconnected' }, wait] : [wait];
  return { state: { name: 'offline', baseMs: Math.min(baseMs * 2, LONGEST_WAIT_MS) }, effects };
}
