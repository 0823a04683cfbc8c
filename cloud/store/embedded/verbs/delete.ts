/** Owns deletion: options, preconditions, finalizers, and what goes with a namespace or a CustomResourceDefinition. */
import { messageOf } from '#beehive/errors.ts';
import type { KubeObject } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget, Target } from '../engine.ts';
import { timeText } from '../engine.ts';
import { copy, dig, isRecord, listAt, textAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { mediaTypeOf, parseJson, parseYaml } from '../negotiation.ts';
import { decodeProtobuf } from '../protobuf/decode.ts';
import {
  badRequest,
  conflict,
  detailsOf,
  invalid,
  notFound,
  qualified,
  refuse,
  unsupportedMediaType,
  unsupportedValue,
} from '../status.ts';
import { parseObject } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { dryRunOf } from './admission.ts';
import { filterOf } from './filter.ts';
import { PROTECTED_NAMESPACES, finishNamespace, isEmpty, markTerminating, namespacedResources } from './namespaces.ts';
import { renderList } from './render.ts';

const FOREGROUND = 'foregroundDeletion';
const CRD_CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

interface Options {
  policy: string;
  uid: string;
  resourceVersion: string;
  dryRun: boolean;
}

export async function deleteObject(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, namespace } = target;
  const options = await readOptions(request);
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) throw notFound(kind, name);
  checkPreconditions(kind, stored, options);
  if (kind.resource === 'namespaces' && PROTECTED_NAMESPACES.has(name)) throw protectedNamespace(kind, name);
  const left = await deleteStored(engine, { kind, stored, options });
  if (left !== undefined) return jsonAnswer(200, left);
  const details = { ...detailsOf(kind, name), uid: stored.uid };
  return jsonAnswer(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

export async function deleteCollection(engine: Engine, target: Target, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, namespace } = target;
  const options = await readOptions(request);
  const filter = filterOf(kind, { namespace, query: request.query });
  const found = engine.store.list(kind.resource, namespace).filter(filter);
  const deletable = found.filter((stored) => kind.resource !== 'namespaces' || !PROTECTED_NAMESPACES.has(stored.name));
  await Promise.all(deletable.map((stored) => deleteStored(engine, { kind, stored, options })));
  const metadata = { resourceVersion: String(engine.store.revision) };
  return jsonAnswer(200, renderList(deletable, metadata, { kind, form: 'object', includeObject: 'Object', nowMs: 0 }));
}

interface Deletion {
  kind: Kind;
  stored: StoredObject;
  options: Options;
}

/** Returns the object when it is still there, waiting for its finalizers or contents; undefined when it is gone. */
async function deleteStored(engine: Engine, deletion: Deletion): Promise<KubeObject | undefined> {
  const { kind, stored, options } = deletion;
  const object = parseObject(stored, groupVersionOf(kind));
  if (kind.resource === 'namespaces') return deleteNamespace(engine, object, options);
  if (kind.resource === 'customresourcedefinitions.apiextensions.k8s.io') return deleteCrd(engine, object, deletion);
  const finalizers = object.metadata.finalizers ?? [];
  const foreground = options.policy === 'Foreground' && !finalizers.includes(FOREGROUND);
  if (finalizers.length === 0 && !foreground) {
    if (options.dryRun) return undefined;
    await engine.store.write({ resource: kind.resource, object, remove: true, persistence: kind.persistence }).done;
    await finishNamespace(engine, stored.namespace);
    return undefined;
  }
  if (object.metadata.deletionTimestamp !== undefined && !foreground) return object;
  markDeleted(engine, object);
  if (foreground) object.metadata.finalizers = [...finalizers, FOREGROUND];
  const marked = await put(engine, { kind, object, dryRun: options.dryRun });
  // Dependents are not tracked, so the finalizer of a foreground deletion is fulfilled at once.
  if (foreground && !options.dryRun) await fulfil(engine, kind, marked);
  return marked;
}

async function fulfil(engine: Engine, kind: Kind, marked: KubeObject): Promise<void> {
  const object = copy(marked);
  const rest = (object.metadata.finalizers ?? []).filter((each) => each !== FOREGROUND);
  if (rest.length === 0) {
    delete object.metadata.finalizers;
    await engine.store.write({ resource: kind.resource, object, remove: true, persistence: kind.persistence }).done;
    return;
  }
  object.metadata.finalizers = rest;
  await engine.store.write({ resource: kind.resource, object, persistence: kind.persistence }).done;
}

async function deleteNamespace(engine: Engine, object: KubeObject, options: Options): Promise<KubeObject> {
  const { name } = object.metadata;
  if (object.metadata.deletionTimestamp === undefined) {
    markDeleted(engine, object);
    markTerminating(object);
    const kind = engine.registry.find('', 'v1', 'namespaces');
    if (kind === undefined) return object;
    object = await put(engine, { kind, object, dryRun: options.dryRun });
  }
  if (options.dryRun) return object;
  const contents = namespacedResources(engine).flatMap((kind) =>
    engine.store.list(kind.resource, name).map((stored) => ({ kind, stored })),
  );
  await Promise.all(
    contents.map(({ kind, stored }) => deleteStored(engine, { kind, stored, options: { ...options, policy: 'Background' } })),
  );
  if (isEmpty(engine, name)) await finishNamespace(engine, name);
  return object;
}

/** Its objects go with it; the answer shows it on its way, as the real server's does. */
async function deleteCrd(engine: Engine, object: KubeObject, { kind, options }: Deletion): Promise<KubeObject> {
  const { store } = engine;
  const shown = copy(object);
  markDeleted(engine, shown);
  shown.metadata.finalizers = [...(shown.metadata.finalizers ?? []), CRD_CLEANUP];
  const conditions = listAt(shown, 'status', 'conditions');
  conditions.push({
    type: 'Terminating',
    status: 'True',
    lastTransitionTime: timeText(engine.clock.now()),
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  });
  if (options.dryRun) return shown;
  const resource = `${textAt(object, 'spec', 'names', 'plural')}.${textAt(object, 'spec', 'group')}`;
  const removals = store.list(resource).map((stored) => {
    return store.write({ resource, object: parseObject(stored, textAt(JSON.parse(stored.text), 'apiVersion')), remove: true }).done;
  });
  removals.push(store.write({ resource: kind.resource, object, remove: true }).done);
  await Promise.all(removals);
  return shown;
}

function markDeleted(engine: Engine, object: KubeObject): void {
  object.metadata.deletionTimestamp = timeText(engine.clock.now());
  object.metadata.deletionGracePeriodSeconds = 0;
}

async function put(engine: Engine, { kind, object, dryRun }: { kind: Kind; object: KubeObject; dryRun: boolean }): Promise<KubeObject> {
  if (dryRun) return object;
  const { stored, done } = engine.store.write({ resource: kind.resource, object, persistence: kind.persistence });
  await done;
  return parseObject(stored, groupVersionOf(kind));
}

function protectedNamespace(kind: Kind, name: string): Error {
  return refuse(403, 'Forbidden', {
    message: `${qualified(kind)} "${name}" is forbidden: this namespace may not be deleted`,
    details: detailsOf(kind, name),
  });
}

async function readOptions(request: ApiRequest): Promise<Options> {
  const { query } = request;
  const given = await readGiven(request);
  const policy = textAt(given, 'propagationPolicy') || (query.get('propagationPolicy') ?? '');
  const fault = unsupportedValue('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']);
  if (!['', 'Foreground', 'Background', 'Orphan'].includes(policy)) {
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions', name: '' }, [fault]);
  }
  const dryRun = [...query.getAll('dryRun'), ...listAt(given, 'dryRun').filter((value) => typeof value === 'string')];
  return {
    policy,
    uid: textAt(given, 'preconditions', 'uid'),
    resourceVersion: textAt(given, 'preconditions', 'resourceVersion'),
    dryRun: dryRunOf(dryRun, 'DeleteOptions'),
  };
}

async function readGiven({ body, bytes, contentType }: ApiRequest): Promise<unknown> {
  if (bytes !== undefined && bytes.length > 0) return checkKind(decodeProtobuf(bytes));
  if (body.trim() === '') return {};
  const type = mediaTypeOf(contentType);
  if (type === 'application/yaml') return parseYaml(body);
  if (type !== '' && type !== 'application/json') throw unsupportedMediaType(['application/json', 'application/yaml']);
  let options: unknown;
  try {
    options = parseJson(body);
  } catch (error) {
    throw badRequest(`couldn't get version/kind; json parse error: ${messageOf(error)}`);
  }
  return checkKind(options);
}

function checkKind(options: unknown): unknown {
  const kind = dig(options, 'kind');
  if (isRecord(options) && (kind === undefined || kind === 'DeleteOptions')) return options;
  throw badRequest('the body of a DELETE must be DeleteOptions');
}

function checkPreconditions(kind: Kind, stored: StoredObject, { uid, resourceVersion }: Options): void {
  const subject = { group: kind.group, plural: kind.kind };
  if (uid !== '' && uid !== stored.uid) {
    const why =
      `the UID in the precondition (${uid}) does not match the UID in record (${stored.uid}). ` +
      'The object might have been deleted and then recreated';
    throw conflict(subject, stored.name, why);
  }
  if (resourceVersion !== '' && resourceVersion !== String(stored.revision)) {
    const why =
      `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${stored.revision}). ` +
      'The object might have been modified';
    throw conflict(subject, stored.name, why);
  }
}
