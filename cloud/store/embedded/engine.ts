/** Owns what all verbs share: the store, the kinds, the clock. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { AccountTokens } from './access/account-tokens.ts';
import type { Rbac } from './access/rbac.ts';
import type { KindRegistry } from './kinds/registry.ts';
import type { Kind } from './kinds/kind.ts';
import type { ObjectStore } from './object-store.ts';
import type { Webhooks } from './webhooks/webhooks.ts';

export interface Engine {
  store: ObjectStore;
  registry: KindRegistry;
  webhooks: Webhooks;
  rbac: Rbac;
  accounts: AccountTokens;
  clock: Clock;
  log: Logger;
}

/** What a resource path names. */
export interface Target {
  kind: Kind;
  /** Undefined: all namespaces, or a cluster-scoped kind. */
  namespace: string | undefined;
  name: string | undefined;
  subresource: string | undefined;
}

/** A target that is one object. */
export interface ItemTarget extends Target {
  name: string;
}

/** RFC 3339, UTC, seconds: the form of Kubernetes times. */
export function timeText(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
