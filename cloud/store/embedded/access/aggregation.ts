/** Owns aggregated ClusterRoles: their rules are those of the roles that their selectors match. */
import type { Logger } from '#beehive/log.ts';
import type { KubeObject } from '../../kube-api.ts';
import { deepEqual, listAt, own } from '../json-value.ts';
import type { ObjectStore } from '../object-store.ts';
import { parseObject } from '../stored-object.ts';
import { labelsTest } from '../label-selector-object.ts';
import { RBAC_GROUP } from './rbac.ts';

const RESOURCE = `clusterroles.${RBAC_GROUP}`;
const API_VERSION = `${RBAC_GROUP}/v1`;

export class RoleAggregation {
  readonly #store: ObjectStore;
  readonly #log: Logger;
  #due = false;
  #running: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void) | undefined;

  constructor({ store, log }: { store: ObjectStore; log: Logger }) {
    this.#store = store;
    this.#log = log;
  }

  /** Resolves when the roles of an earlier run, or a first one, are as they should be. */
  start(): Promise<void> {
    this.#unsubscribe = this.#store.subscribe(RESOURCE, () => this.#soon());
    this.#soon();
    return this.#running;
  }

  /** Resolves when nothing of it writes any more. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#running;
  }

  /** Once for all events of a commit. */
  #soon(): void {
    if (this.#due) return;
    this.#due = true;
    this.#running = this.#running.then(async () => {
      this.#due = false;
      try {
        await this.#update();
      } catch (error) {
        this.#log.error('api.roles.not_aggregated', { error });
      }
    });
  }

  async #update(): Promise<void> {
    const roles = this.#store.list(RESOURCE).map((stored) => parseObject(stored, API_VERSION));
    const writes = roles.filter(aggregates).flatMap((role) => {
      const rules = rulesFor(role, roles);
      if (role.metadata.deletionTimestamp !== undefined || deepEqual(listAt(role, 'rules'), rules)) return [];
      return [this.#store.write({ resource: RESOURCE, object: { ...role, rules } }).done];
    });
    await Promise.all(writes);
  }
}

function aggregates(role: KubeObject): boolean {
  return own(role, 'aggregationRule') !== undefined;
}

/** An aggregated role among those that match stands for what it aggregates itself. */
function rulesFor(role: KubeObject, roles: readonly KubeObject[]): unknown[] {
  const found: unknown[] = [];
  const seen = new Set([role]);
  const waiting = [role];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const tests = listAt(next, 'aggregationRule', 'clusterRoleSelectors').map((selector) => labelsTest(selector) ?? (() => true));
    for (const other of roles) {
      if (seen.has(other) || !tests.some((test) => test(other.metadata.labels))) continue;
      seen.add(other);
      if (aggregates(other)) waiting.push(other);
      else found.push(...listAt(other, 'rules').filter((rule) => !found.some((known) => deepEqual(known, rule))));
    }
  }
  return found;
}
