/** Owns questions about access, answered by the rules of access.ts, and the request for a token, which is refused. */
import { ADMIN_GROUP, AUTHENTICATED, isOpen, mayDoEverything } from '../access.ts';
import type { ApiAnswer, ApiRequest, User } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget, Target } from '../engine.ts';
import { isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { readObject } from '../negotiation.ts';
import { detailsOf, invalid, invalidValue, methodNotAllowed, notFound, refuse, required } from '../status.ts';
import { readEnvelope } from './admission.ts';

const SELF = new Set(['selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews']);
const ANSWERS = new Map<string, (object: JsonRecord, user: User) => JsonRecord>([
  ['selfsubjectaccessreviews', (object, user) => decide(own(object, 'spec'), user)],
  ['subjectaccessreviews', (object) => decide(own(object, 'spec'), subjectOf(own(object, 'spec')))],
  ['localsubjectaccessreviews', (object) => decide(own(object, 'spec'), subjectOf(own(object, 'spec')))],
  ['selfsubjectrulesreviews', (_object, user) => rulesOf(user)],
  ['selfsubjectreviews', (_object, { name, groups }) => ({ userInfo: { username: name, groups: [...groups] } })],
]);

/** Everybody who has a name here may ask what they may. */
export function asksAboutSelf(segments: readonly string[], user: User): boolean {
  return segments.length === 4 && segments[0] === 'apis' && SELF.has(segments[3] ?? '') && user.groups.includes(AUTHENTICATED);
}

export function isReview({ kind }: Target): boolean {
  return ANSWERS.has(kind.plural) && !kind.custom;
}

/** Throws 400, 405, 422. */
export async function answerReview({ kind, namespace }: Target, request: ApiRequest): Promise<ApiAnswer> {
  if (request.method !== 'POST') throw methodNotAllowed();
  const object = readEnvelope(kind, await readObject(request, kind));
  checkReview(kind.kind, object, namespace);
  const status = ANSWERS.get(kind.plural)?.(object, request.user) ?? {};
  const { spec } = object;
  return jsonAnswer(201, {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { creationTimestamp: null, ...(namespace === undefined ? {} : { namespace }) },
    ...(isRecord(spec) ? { spec } : {}),
    status,
  });
}

function checkReview(kind: string, object: JsonRecord, namespace: string | undefined): void {
  const spec = own(object, 'spec');
  const refused = (...causes: Parameters<typeof invalid>[1]): Error => invalid({ group: 'authorization.k8s.io', kind, name: '' }, causes);
  if (kind.endsWith('AccessReview')) {
    const both = own(spec, 'resourceAttributes') !== undefined && own(spec, 'nonResourceAttributes') !== undefined;
    const none = own(spec, 'resourceAttributes') === undefined && own(spec, 'nonResourceAttributes') === undefined;
    const why = 'exactly one of nonResourceAttributes or resourceAttributes must be specified';
    if (both || none) throw refused(invalidValue('spec.resourceAttributes', none ? 'null' : 'both', why));
    const named = textAt(spec, 'user') !== '' || listAt(spec, 'groups').length > 0;
    if (!kind.startsWith('Self') && !named) throw refused(invalidValue('spec.user', '', 'at least one of user or group must be specified'));
    const asked = textAt(spec, 'resourceAttributes', 'namespace');
    if (namespace !== undefined && asked !== namespace) {
      throw refused(invalidValue('spec.resourceAttributes.namespace', asked, 'must match metadata.namespace'));
    }
  }
  if (kind === 'SelfSubjectRulesReview' && textAt(spec, 'namespace') === '') throw refused(required('spec.namespace'));
}

function subjectOf(spec: unknown): User {
  return { name: textAt(spec, 'user'), groups: listAt(spec, 'groups').filter((group) => typeof group === 'string') };
}

function decide(spec: unknown, user: User): JsonRecord {
  if (mayDoEverything(user)) return { allowed: true, reason: `members of ${ADMIN_GROUP} may do everything` };
  const path = textAt(spec, 'nonResourceAttributes', 'path');
  if (path !== '' && isOpen(path.split('/').filter((part) => part !== ''))) return { allowed: true, reason: 'open to everybody' };
  const group = textAt(spec, 'resourceAttributes', 'group');
  const asks = group.startsWith('auth') && SELF.has(textAt(spec, 'resourceAttributes', 'resource'));
  if (asks && textAt(spec, 'resourceAttributes', 'verb') === 'create' && user.groups.includes(AUTHENTICATED)) return { allowed: true };
  return { allowed: false, reason: `only members of ${ADMIN_GROUP} have access` };
}

function rulesOf(user: User): JsonRecord {
  const open = { verbs: ['get'], nonResourceURLs: ['/healthz', '/livez', '/readyz', '/version'] };
  if (!mayDoEverything(user)) {
    const apiGroups = ['authorization.k8s.io', 'authentication.k8s.io'];
    return { resourceRules: [{ verbs: ['create'], apiGroups, resources: [...SELF] }], nonResourceRules: [open], incomplete: false };
  }
  return {
    resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
    nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
    incomplete: false,
  };
}

/** Throws 404 where there is no such account, else 501: nobody could check such a token here. */
export async function refuseToken(engine: Engine, { kind, namespace, name }: ItemTarget, request: ApiRequest): Promise<never> {
  await readObject(request, { kind: 'TokenRequest', custom: false });
  if (engine.store.get(kind.resource, namespace ?? '', name) === undefined) throw notFound(kind, name);
  const message = `tokens of service accounts are not issued by this server yet: use the token of the kubeconfig that it wrote`;
  throw refuse(501, 'NotImplemented', { message, details: detailsOf(kind, name) });
}
