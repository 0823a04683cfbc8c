/** Owns TokenRequest: a token for a ServiceAccount, for a time, perhaps bound to one more object. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { BOUND_KINDS, ISSUER } from '../access/account-tokens.ts';
import type { TokenWish } from '../access/account-tokens.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget } from '../engine.ts';
import { timeText } from '../engine.ts';
import { isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { readObject } from '../negotiation.ts';
import { badRequest, conflict, invalid, invalidValue, notFound, required } from '../status.ts';
import { parseContent } from '../stored-object.ts';

const API_VERSION = 'authentication.k8s.io/v1';
const HOUR_SECONDS = 3600;
const SHORTEST_SECONDS = 600;
const LONGEST_SECONDS = 2 ** 32;

/** Throws 400, 404, 409, 422. */
export async function answerTokenRequest(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, namespace = '', name } = target;
  const body = await readObject(request, { kind: 'TokenRequest', custom: false });
  checkEnvelope(body, target);
  const spec = own(body, 'spec');
  const asked = own(spec, 'expirationSeconds') ?? HOUR_SECONDS;
  const causes = faultsOf(spec, asked);
  if (causes.length > 0) throw invalid({ group: 'authentication.k8s.io', kind: 'TokenRequest', name: '' }, causes);
  const account = engine.store.get(kind.resource, namespace, name);
  if (account === undefined) throw notFound(kind, name);
  const bound = boundOf(engine, own(spec, 'boundObjectRef'), { namespace, account: name });
  const named = listAt(spec, 'audiences').filter((audience) => typeof audience === 'string');
  const audiences = named.length === 0 ? [ISSUER] : named;
  const lifeSeconds = Number(asked);
  const { token, endsMs } = engine.accounts.issue({ account, audiences, lifeSeconds, ...(bound === undefined ? {} : { bound }) });
  return jsonAnswer(201, {
    kind: 'TokenRequest',
    apiVersion: API_VERSION,
    metadata: { name, namespace, creationTimestamp: timeText(engine.clock.now()) },
    spec: { audiences, expirationSeconds: lifeSeconds, boundObjectRef: own(spec, 'boundObjectRef') ?? null },
    status: { token, expirationTimestamp: timeText(endsMs) },
  });
}

function checkEnvelope(body: JsonRecord, { name, namespace = '' }: ItemTarget): void {
  const [kind, apiVersion] = [own(body, 'kind') ?? 'TokenRequest', own(body, 'apiVersion') ?? API_VERSION];
  if (kind !== 'TokenRequest' || apiVersion !== API_VERSION) {
    throw badRequest(`the body must be a TokenRequest of ${API_VERSION}, not ${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)}`);
  }
  const metadata = own(body, 'metadata');
  const [given, space] = [textAt(metadata, 'name'), textAt(metadata, 'namespace')];
  if ((given !== '' && given !== name) || (space !== '' && space !== namespace)) {
    throw badRequest(`the body names ${space}/${given}, the URL ${namespace}/${name}`);
  }
}

function faultsOf(spec: unknown, seconds: unknown): StatusCause[] {
  const at = 'spec.expirationSeconds';
  if (typeof seconds !== 'number' || !Number.isInteger(seconds)) return [invalidValue(at, seconds, 'must be a number of seconds')];
  const causes: StatusCause[] = [];
  if (seconds < SHORTEST_SECONDS) causes.push(invalidValue(at, seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds > LONGEST_SECONDS) causes.push(invalidValue(at, seconds, 'may not specify a duration larger than 2^32 seconds'));
  for (const [index, audience] of listAt(spec, 'audiences').entries()) {
    if (typeof audience !== 'string' || audience === '') causes.push(required(`spec.audiences[${index}]`));
  }
  return causes;
}

/** Throws 400 for a kind that tokens are not bound to, or a pod of another account; 404; 409 for another uid. */
function boundOf(engine: Engine, ref: unknown, { namespace, account }: { namespace: string; account: string }): TokenWish['bound'] {
  if (!isRecord(ref)) return undefined;
  const [kind, name, uid] = [textAt(ref, 'kind'), textAt(ref, 'name'), textAt(ref, 'uid')];
  const known = BOUND_KINDS.get(kind);
  if (known === undefined) throw badRequest(`cannot bind token to object of type ${textAt(ref, 'apiVersion')}, Kind=${kind}`);
  const { resource, namespaced } = known;
  const stored = engine.store.get(resource, namespaced ? namespace : '', name);
  if (stored === undefined) throw notFound({ group: '', plural: resource }, name);
  if (uid !== '' && uid !== stored.uid) {
    const why = 'The object might have been deleted and then recreated';
    const message = `the UID in the bound object reference (${uid}) does not match the UID in record. ${why}`;
    throw conflict({ group: '', plural: resource }, name, message);
  }
  const object: KubeObject | undefined = kind === 'Pod' ? parseContent(stored, groupVersionOf({ group: '', version: 'v1' })) : undefined;
  if (object !== undefined && textAt(object, 'spec', 'serviceAccountName') !== account) {
    throw badRequest(`cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`);
  }
  return { kind, name, uid: stored.uid };
}
