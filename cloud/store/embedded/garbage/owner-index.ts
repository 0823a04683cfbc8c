/** Owns who depends on whom: the keys of the objects that name an owner, by the owner's uid. */
import type { OwnerReference } from '../../kube-api.ts';

const NOBODY: ReadonlySet<string> = new Set();

export class OwnerIndex {
  readonly #dependents = new Map<string, Set<string>>();

  add(key: string, owners: readonly OwnerReference[] = []): void {
    for (const { uid } of owners) {
      const keys = this.#dependents.get(uid) ?? new Set();
      this.#dependents.set(uid, keys.add(key));
    }
  }

  remove(key: string, owners: readonly OwnerReference[] = []): void {
    for (const { uid } of owners) {
      const keys = this.#dependents.get(uid);
      keys?.delete(key);
      if (keys?.size === 0) this.#dependents.delete(uid);
    }
  }

  of(uid: string): ReadonlySet<string> {
    return this.#dependents.get(uid) ?? NOBODY;
  }
}
