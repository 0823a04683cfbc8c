/** Owns what becomes of an object that has owners: the rules of the garbage collector of Kubernetes, without any I/O. */
import type { OwnerReference } from '../../kube-api.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

/** `waiting`: it is being deleted and goes when its dependents are gone. `unknown`: of no kind that is served, or out of reach. */
export type OwnerState = 'there' | 'waiting' | 'absent' | 'unknown';

export type Verdict =
  | { action: 'keep' }
  /** An owner cannot be looked up: asked again when other kinds are served. */
  | { action: 'ask-again' }
  /** Somebody still owns it: the references to these uids go. */
  | { action: 'release'; uids: readonly string[] }
  | { action: 'delete'; policy: 'Background' | 'Foreground' | 'Orphan' };

export interface Dependent {
  owners: readonly OwnerReference[];
  finalizers: readonly string[];
  /** Others name it as their owner. */
  owns: boolean;
}

export function verdictOn({ owners, finalizers, owns }: Dependent, stateOf: (owner: OwnerReference) => OwnerState): Verdict {
  const states = owners.map((owner) => ({ uid: owner.uid, state: stateOf(owner) }));
  const inState = (wanted: OwnerState): boolean => states.some(({ state }) => state === wanted);
  if (states.length === 0) return { action: 'keep' };
  if (inState('unknown')) return { action: 'ask-again' };
  if (inState('there')) {
    const uids = states.filter(({ state }) => state !== 'there').map(({ uid }) => uid);
    return uids.length === 0 ? { action: 'keep' } : { action: 'release', uids };
  }
  if (inState('waiting') && owns) return { action: 'delete', policy: 'Foreground' };
  if (finalizers.includes(ORPHAN)) return { action: 'delete', policy: 'Orphan' };
  return { action: 'delete', policy: finalizers.includes(FOREGROUND) ? 'Foreground' : 'Background' };
}
