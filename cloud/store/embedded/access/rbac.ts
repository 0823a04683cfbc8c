/** Owns who may do what: roles and bindings, indexed by subject as the store tells of them, and the rules that they give a user. */
import type { Logger } from '#beehive/log.ts';
import type { KubeObject } from '../../kube-api.ts';
import type { User } from '../api-request.ts';
import { own, textAt } from '../json-value.ts';
import { recordsAt } from '../kinds/checks.ts';
import type { ObjectStore } from '../object-store.ts';
import { parseContent } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { forbidden, isOpen, isPath } from './attempt.ts';
import type { Attempt } from './attempt.ts';
import { EVERYTHING, ruleAllows, rulesIn } from './rules.ts';
import type { PolicyRule } from './rules.ts';
import { accountUserName, ADMIN_GROUP, isAnonymous, mayDoEverything } from './user.ts';

export const RBAC_GROUP = 'rbac.authorization.k8s.io';
const API_VERSION = `${RBAC_GROUP}/v1`;

export interface Verdict {
  allowed: boolean;
  reason: string;
}

export interface RoleRef {
  kind: string;
  name: string;
}

interface Binding {
  /** `RoleBinding "name/namespace"`, for reasons. */
  shown: string;
  /** '' = everywhere. */
  namespace: string;
  role: RoleRef;
  /** Key -> as reasons name it. */
  subjects: ReadonlyMap<string, string>;
}

/** What one binding gives a user. */
interface Grant {
  binding: Binding;
  subject: string;
  /** Undefined where there is no such role. */
  rules: readonly PolicyRule[] | undefined;
}

/** Users whose grants are at hand. */
const MOST_USERS = 1000;
const NO_BINDINGS: ReadonlySet<Binding> = new Set();

/** Roles by `kind namespace/name`. Nothing is parsed on a request; what a user has is looked up once after each change. */
export class Rbac {
  readonly #roles = new Map<string, readonly PolicyRule[]>();
  readonly #bindings = new Map<string, Binding>();
  /** Namespace ('' = everywhere) and subject. */
  readonly #bySubject = new Map<string, Set<Binding>>();
  readonly #known = new Map<string, readonly Grant[]>();
  readonly #log: Logger;

  constructor(store: ObjectStore, log: Logger) {
    this.#log = log;
    this.#follow(store, 'clusterroles', (stored, gone) => this.#takeRole('ClusterRole', stored, gone));
    this.#follow(store, 'roles', (stored, gone) => this.#takeRole('Role', stored, gone));
    this.#follow(store, 'clusterrolebindings', (stored, gone) => this.#takeBinding('ClusterRoleBinding', stored, gone));
    this.#follow(store, 'rolebindings', (stored, gone) => this.#takeBinding('RoleBinding', stored, gone));
  }

  decide(user: User, attempt: Attempt): Verdict {
    if (mayDoEverything(user)) return { allowed: true, reason: `members of ${ADMIN_GROUP} may do everything` };
    if (isPath(attempt) && isOpen(attempt.path.split('/').filter((part) => part !== '')))
      return { allowed: true, reason: 'open to everybody' };
    // Whatever bindings say: who shows no credentials gets health and version.
    if (isAnonymous(user)) return { allowed: false, reason: '' };
    const missing = new Set<string>();
    for (const grant of this.#grants(user, isPath(attempt) ? '' : attempt.namespace)) {
      if (grant.rules === undefined) missing.add(missingRole(grant.binding));
      else if (grant.rules.some((rule) => ruleAllows(rule, attempt))) return { allowed: true, reason: reasonOf(grant) };
    }
    const why = [...missing];
    return { allowed: false, reason: why.length === 0 ? '' : `RBAC: ${why.length === 1 ? (why[0] ?? '') : `[${why.join(', ')}]`}` };
  }

  /** Throws 403. */
  demand(user: User, attempt: Attempt): void {
    const { allowed, reason } = this.decide(user, attempt);
    if (!allowed) throw forbidden(user, attempt, reason);
  }

  /** All rules that hold for the user in the namespace ('' = those that hold everywhere). */
  rulesOf(user: User, namespace: string): PolicyRule[] {
    const everything = mayDoEverything(user) ? EVERYTHING : [];
    return isAnonymous(user) ? [] : [...everything, ...this.#grants(user, namespace).flatMap(({ rules = [] }) => rules)];
  }

  /** Undefined where there is no such role. */
  roleRules({ kind, name }: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    return this.#roles.get(roleKey(kind, kind === 'ClusterRole' ? '' : namespace, name));
  }

  /** Those that hold everywhere first. */
  #grants(user: User, namespace: string): readonly Grant[] {
    const key = JSON.stringify([namespace, user.name, ...user.groups]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const subjects = [`User ${user.name}`, ...user.groups.map((group) => `Group ${group}`)];
    const scopes = namespace === '' ? [''] : ['', namespace];
    const grants = scopes.flatMap((scope) => this.#grantsIn(scope, subjects));
    if (this.#known.size >= MOST_USERS) this.#known.clear();
    this.#known.set(key, grants);
    return grants;
  }

  #grantsIn(scope: string, subjects: readonly string[]): Grant[] {
    const found = new Map<Binding, Grant>();
    for (const subject of subjects) {
      for (const binding of this.#bySubject.get(`${scope} ${subject}`) ?? NO_BINDINGS) {
        const rules = this.roleRules(binding.role, binding.namespace);
        if (!found.has(binding)) found.set(binding, { binding, subject: binding.subjects.get(subject) ?? '', rules });
      }
    }
    return [...found.values()];
  }

  #follow(store: ObjectStore, plural: string, take: (stored: StoredObject, gone: boolean) => void): void {
    const resource = `${plural}.${RBAC_GROUP}`;
    const taken = (stored: StoredObject, gone: boolean): void => {
      this.#known.clear();
      try {
        take(stored, gone);
      } catch (error) {
        this.#log.error('api.role.skipped', { kind: plural, namespace: stored.namespace, name: stored.name, error });
      }
    };
    for (const stored of store.list(resource)) taken(stored, false);
    store.subscribe(resource, ({ object, type }) => taken(object, type === 'DELETED'));
  }

  #takeRole(kind: string, stored: StoredObject, gone: boolean): void {
    const key = roleKey(kind, stored.namespace, stored.name);
    this.#roles.delete(key);
    if (!gone) this.#roles.set(key, rulesIn(parseContent(stored, API_VERSION)));
  }

  #takeBinding(kind: string, stored: StoredObject, gone: boolean): void {
    const key = roleKey(kind, stored.namespace, stored.name);
    const before = this.#bindings.get(key);
    for (const subject of before?.subjects.keys() ?? []) this.#unlink(subject, before);
    this.#bindings.delete(key);
    if (gone) return;
    const binding = bindingOf(kind, parseContent(stored, API_VERSION));
    this.#bindings.set(key, binding);
    for (const subject of binding.subjects.keys()) {
      const place = `${binding.namespace} ${subject}`;
      const bindings = this.#bySubject.get(place) ?? new Set();
      this.#bySubject.set(place, bindings.add(binding));
    }
  }

  #unlink(subject: string, binding: Binding | undefined): void {
    if (binding === undefined) return;
    const place = `${binding.namespace} ${subject}`;
    const bindings = this.#bySubject.get(place);
    bindings?.delete(binding);
    if (bindings?.size === 0) this.#bySubject.delete(place);
  }
}

function roleKey(kind: string, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name}`;
}

function bindingOf(kind: string, object: KubeObject): Binding {
  const { name, namespace = '' } = object.metadata;
  const role = own(object, 'roleRef');
  const subjects = recordsAt(object, 'subjects').map((subject): [string, string] => {
    const [type, who] = [textAt(subject, 'kind'), textAt(subject, 'name')];
    if (type !== 'ServiceAccount') return [`${type} ${who}`, `${type} "${who}"`];
    const account = { namespace: textAt(subject, 'namespace') || namespace, name: who };
    return [`User ${accountUserName(account)}`, `ServiceAccount "${who}/${account.namespace}"`];
  });
  return {
    shown: `${kind} "${namespace === '' ? name : `${name}/${namespace}`}"`,
    namespace,
    role: { kind: textAt(role, 'kind'), name: textAt(role, 'name') },
    subjects: new Map(subjects),
  };
}

function reasonOf({ binding: { shown, role }, subject }: Grant): string {
  return `RBAC: allowed by ${shown} of ${role.kind} "${role.name}" to ${subject}`;
}

function missingRole({ role: { kind, name } }: Binding): string {
  return `${kind.toLowerCase()}.${RBAC_GROUP} "${name}" not found`;
}
