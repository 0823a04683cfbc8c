/** Owns the rule that nobody gives away what they do not have: checks of roles and bindings on their way into the store. */
import type { KubeError, KubeObject } from '../../kube-api.ts';
import type { User } from '../api-request.ts';
import { deepEqual, own, textAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { notFound } from '../status.ts';
import { forbiddenFor } from './attempt.ts';
import type { ResourceAttempt } from './attempt.ts';
import { RBAC_GROUP } from './rbac.ts';
import type { Rbac } from './rbac.ts';
import { EVERYTHING, goList, ruleText, rulesIn, uncovered } from './rules.ts';
import type { PolicyRule } from './rules.ts';
import { mayDoEverything } from './user.ts';

export interface Granting {
  kind: Pick<Kind, 'group' | 'plural'>;
  /** As it would be stored. */
  object: KubeObject;
  previous: KubeObject | undefined;
  user: User;
}

/** Throws 403, or 404 for a binding to a role that is not there. Nothing is checked of other kinds. */
export function checkGranting(rbac: Rbac, granting: Granting): void {
  const { kind, object, previous, user } = granting;
  if (kind.group !== RBAC_GROUP || mayDoEverything(user)) return;
  if (previous !== undefined && deepEqual(essence(previous), essence(object))) return;
  if (kind.plural.endsWith('bindings')) checkBinding(rbac, granting);
  else checkRole(rbac, granting);
}

/** What the garbage collector changes counts for nothing. */
function essence(object: KubeObject): unknown {
  const { ownerReferences, finalizers, managedFields, resourceVersion, generation, ...metadata } = object.metadata;
  void [ownerReferences, finalizers, managedFields, resourceVersion, generation];
  return { ...object, metadata };
}

function checkRole(rbac: Rbac, { kind, object, user }: Granting): void {
  const { name, namespace = '' } = object.metadata;
  if (rbac.decide(user, { ...attemptOn(kind.plural, namespace, name), verb: 'escalate' }).allowed) return;
  const held = rbac.rulesOf(user, namespace);
  refuseUncovered(uncovered(held, rulesIn(object)), { kind, name, user });
  if (own(object, 'aggregationRule') === undefined || uncovered(held, EVERYTHING)?.length === 0) return;
  throw forbiddenFor({ ...kind, name }, 'must have cluster-admin privileges to use the aggregationRule');
}

function checkBinding(rbac: Rbac, { kind, object, user }: Granting): void {
  const { name, namespace = '' } = object.metadata;
  const role = { kind: textAt(object, 'roleRef', 'kind'), name: textAt(object, 'roleRef', 'name') };
  const plural = role.kind === 'ClusterRole' ? 'clusterroles' : 'roles';
  if (rbac.decide(user, { ...attemptOn(plural, namespace, role.name), verb: 'bind' }).allowed) return;
  const rules = rbac.roleRules(role, namespace);
  if (rules === undefined) throw notFound({ group: RBAC_GROUP, plural }, role.name);
  refuseUncovered(uncovered(rbac.rulesOf(user, namespace), rules), { kind, name, user });
}

function attemptOn(resource: string, namespace: string, name: string): ResourceAttempt {
  return { verb: '', group: RBAC_GROUP, resource, subresource: '', namespace, name };
}

/** Throws 403. */
function refuseUncovered(
  missing: readonly PolicyRule[] | undefined,
  { kind, name, user }: { kind: Granting['kind']; name: string; user: User },
): void {
  if (missing?.length === 0) return;
  throw escalates(
    { ...kind, name },
    { user, missing: missing?.map(ruleText).sort() ?? ['more than can be compared: grant less at a time'] },
  );
}

function escalates(
  what: { group: string; plural: string; name: string },
  { user: { name, groups }, missing }: { user: User; missing: readonly string[] },
): KubeError {
  const who = `user ${JSON.stringify(name)} (groups=${goList(groups)})`;
  return forbiddenFor(what, `${who} is attempting to grant RBAC permissions not currently held:\n${missing.join('\n')}`);
}
