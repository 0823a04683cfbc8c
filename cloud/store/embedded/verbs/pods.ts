/** Owns the paths below a pod: binding it to a node, evicting it, and the streams that are not offered yet. */
import type { KubeObject } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget, Target } from '../engine.ts';
import { timeText } from '../engine.ts';
import { isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { ensureRecord } from '../kinds/checks.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { readObject } from '../negotiation.ts';
import { badRequest, conflict, detailsOf, invalid, methodNotAllowed, notFound, refuse, required, unsupportedValue } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { dryRunOf } from './admission.ts';
import { deleteObject } from './delete.ts';

/** The paths that stream, and what people call them. */
const STREAMS = new Map([
  ['log', 'logs'],
  ['exec', 'exec'],
  ['attach', 'attach'],
  ['portforward', 'port-forward'],
]);

export function isStream(subresource: string | undefined): boolean {
  return subresource !== undefined && STREAMS.has(subresource);
}

/** Throws 404 where there is no pod, else 501. */
export function refuseStream(engine: Engine, target: ItemTarget): never {
  const { kind, name, subresource = '' } = target;
  storedOf(engine, target);
  const what = STREAMS.get(subresource) ?? subresource;
  const message = `${what} of pod "${name}" cannot be had from this server yet; look on the board itself, with the tools of its container runtime`;
  throw refuse(501, 'NotImplemented', { message, details: detailsOf(kind, name) });
}

function storedOf(engine: Engine, { kind, namespace, name }: ItemTarget): StoredObject {
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) throw notFound(kind, name);
  return stored;
}

/** What a scheduler does: POST of a Binding below the pod. */
export async function bindPod(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  return bind(engine, target, { request, binding: await readFor(target, request, 'Binding') });
}

/** POST of a Binding that names the pod. Throws 400, 404, 405. */
export async function bindByBody(engine: Engine, { namespace }: Target, request: ApiRequest): Promise<ApiAnswer> {
  const kind = engine.registry.find('', 'v1', 'pods');
  if (request.method !== 'POST' || namespace === undefined || kind === undefined) throw methodNotAllowed();
  const binding = await readObject(request, { kind: 'Binding', custom: false });
  const name = textAt(binding, 'metadata', 'name');
  if (name === '') throw badRequest('metadata.name of the Binding must name a pod');
  return bind(engine, { kind, namespace, name, subresource: 'binding' }, { request, binding });
}

async function bind(
  engine: Engine,
  target: ItemTarget,
  { request, binding }: { request: ApiRequest; binding: JsonRecord },
): Promise<ApiAnswer> {
  const { kind, name } = target;
  const dryRun = dryRunOf(request.query.getAll('dryRun'), 'CreateOptions');
  const node = textAt(binding, 'target', 'name');
  const targetKind = textAt(binding, 'target', 'kind');
  const causes = [
    ...(targetKind === '' || targetKind === 'Node' ? [] : [unsupportedValue('target.kind', targetKind, ['Node', '<empty>'])]),
    ...(node === '' ? [required('target.name')] : []),
  ];
  if (causes.length > 0) throw invalid({ group: '', kind: 'Binding', name }, causes);
  const pod = parseObject(storedOf(engine, target), groupVersionOf(kind));
  const path = { group: '', plural: 'pods/binding' };
  if (pod.metadata.deletionTimestamp !== undefined)
    throw conflict(path, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  const bound = textAt(pod, 'spec', 'nodeName');
  if (bound !== '') throw conflict(path, name, `pod ${name} is already assigned to node "${bound}"`);
  assign(pod, { node, annotations: own(own(binding, 'metadata'), 'annotations'), now: timeText(engine.clock.now()) });
  if (!dryRun) await engine.store.write({ resource: kind.resource, object: pod, persistence: kind.persistence }).done;
  return success(201);
}

function assign(pod: KubeObject, { node, annotations, now }: { node: string; annotations: unknown; now: string }): void {
  ensureRecord(pod, 'spec')['nodeName'] = node;
  if (isRecord(annotations)) pod.metadata.annotations = { ...pod.metadata.annotations, ...(annotations as Record<string, string>) };
  const conditions = listAt(pod, 'status', 'conditions').filter((each) => textAt(each, 'type') !== 'PodScheduled');
  ensureRecord(pod, 'status')['conditions'] = [
    ...conditions,
    { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: now },
  ];
}

/** What `kubectl drain` does: a deletion. Disruption budgets are stored, not counted here: nothing refuses an eviction. */
export async function evictPod(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const eviction = await readFor(target, request, 'Eviction');
  const options = own(eviction, 'deleteOptions');
  const body = isRecord(options) ? { ...options, kind: 'DeleteOptions' } : { kind: 'DeleteOptions' };
  const { bytes: _bytes, ...rest } = request;
  await deleteObject(
    engine,
    { ...target, subresource: undefined },
    { ...rest, contentType: 'application/json', body: JSON.stringify(body) },
  );
  return success(201);
}

/** The body must be of this kind and name the pod of the path, or none. Throws 400. */
async function readFor({ name, namespace }: ItemTarget, request: ApiRequest, kind: string): Promise<JsonRecord> {
  const body = await readObject(request, { kind, custom: false });
  const given = own(body, 'kind');
  if (given !== undefined && given !== kind) throw badRequest(`the body must be a ${kind}, not ${JSON.stringify(given)}`);
  const named = textAt(body, 'metadata', 'name');
  if (named !== '' && named !== name) throw badRequest(`the name of the object (${named}) does not match the name on the URL (${name})`);
  const space = textAt(body, 'metadata', 'namespace');
  if (space !== '' && space !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  return body;
}

function success(code: number): ApiAnswer {
  return jsonAnswer(code, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code });
}
