/** Owns questions about access: who somebody is, and what they may do. */
import type { Attempt } from '../access/attempt.ts';
import type { Rbac } from '../access/rbac.ts';
import { ruleBody } from '../access/rules.ts';
import { userInfoOf } from '../access/user.ts';
import type { ApiAnswer, ApiRequest, User } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, Target } from '../engine.ts';
import { isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { readObject } from '../negotiation.ts';
import { invalid, invalidValue, methodNotAllowed, required } from '../status.ts';
import { readEnvelope } from './admission.ts';

const ANSWERS = new Map<string, (rbac: Rbac, object: JsonRecord, user: User) => JsonRecord>([
  ['selfsubjectaccessreviews', (rbac, object, user) => decide(rbac, own(object, 'spec'), user)],
  ['subjectaccessreviews', (rbac, object) => decide(rbac, own(object, 'spec'), subjectOf(own(object, 'spec')))],
  ['localsubjectaccessreviews', (rbac, object) => decide(rbac, own(object, 'spec'), subjectOf(own(object, 'spec')))],
  ['selfsubjectrulesreviews', (rbac, object, user) => rulesOf(rbac, textAt(object, 'spec', 'namespace'), user)],
  ['selfsubjectreviews', (_rbac, _object, user) => ({ userInfo: userInfoOf(user) })],
]);

export function isReview({ kind }: Target): boolean {
  return ANSWERS.has(kind.plural) && !kind.custom;
}

/** Throws 400, 405, 422. */
export async function answerReview({ rbac }: Engine, { kind, namespace }: Target, request: ApiRequest): Promise<ApiAnswer> {
  if (request.method !== 'POST') throw methodNotAllowed();
  const object = readEnvelope(kind, await readObject(request, kind));
  checkReview(kind.kind, object, namespace);
  const status = ANSWERS.get(kind.plural)?.(rbac, object, request.user) ?? {};
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

function decide(rbac: Rbac, spec: unknown, user: User): JsonRecord {
  const { allowed, reason } = rbac.decide(user, attemptIn(spec));
  return { allowed, ...(reason === '' ? {} : { reason }) };
}

function attemptIn(spec: unknown): Attempt {
  const asked = own(spec, 'resourceAttributes');
  if (asked === undefined) {
    return { verb: textAt(spec, 'nonResourceAttributes', 'verb'), path: textAt(spec, 'nonResourceAttributes', 'path') };
  }
  return {
    verb: textAt(asked, 'verb'),
    group: textAt(asked, 'group'),
    resource: textAt(asked, 'resource'),
    subresource: textAt(asked, 'subresource'),
    namespace: textAt(asked, 'namespace'),
    name: textAt(asked, 'name'),
  };
}

function rulesOf(rbac: Rbac, namespace: string, user: User): JsonRecord {
  const rules = rbac.rulesOf(user, namespace);
  return {
    resourceRules: rules.filter(({ resources }) => resources.length > 0).map(ruleBody),
    nonResourceRules: rules.filter(({ nonResourceURLs }) => nonResourceURLs.length > 0).map(ruleBody),
    incomplete: false,
  };
}
