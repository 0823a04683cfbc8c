/** Owns deletion: options, preconditions, finalizers, and what goes with a namespace or a CustomResourceDefinition. */
import type { KubeObject } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget, Target } from '../engine.ts';
import { timeText } from '../engine.ts';
import { FOREGROUND, ORPHAN } from '../garbage/verdict.ts';
import { goJsonError } from '../go-json-error.ts';
import { dig, isRecord, listAt, own, textAt } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { mediaTypeOf, parseJson, parseYaml } from '../negotiation.ts';
import { decodeProtobuf } from '../protobuf/decode.ts';
import {
  badRequest,
  conflict,
  detailsOf,
  invalid,
  invalidValue,
  methodNotAllowed,
  notFound,
  qualified,
  refuse,
  unsupportedMediaType,
  unsupportedValue,
} from '../status.ts';
import { parseObject } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { askAboutDeletion } from '../webhooks/ask.ts';
import { dryRunOf } from './admission.ts';
import { DEFINITIONS, deleteDefinition } from './definitions.ts';
import { filterOf } from './filter.ts';
import { graceOf, shortenGrace } from './grace.ts';
import { PROTECTED_NAMESPACES, markTerminating, mayVanish } from './namespaces.ts';
import { listAnswer } from './render.ts';

export interface DeleteOptions {
  policy: string;
  uid: string;
  resourceVersion: string;
  dryRun: boolean;
  /** Seconds; undefined = what the object says. */
  grace?: number;
}

export async function deleteObject(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, namespace } = target;
  const options = await readOptions(request);
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) throw notFound(kind, name);
  checkPreconditions(kind, stored, options);
  if (kind.resource === 'namespaces' && PROTECTED_NAMESPACES.has(name)) throw protectedNamespace(kind, name);
  const asked = askAboutDeletion(engine, { kind, stored, request, dryRun: options.dryRun });
  const warnings = asked === undefined ? [] : await asked;
  const left = await deleteStored(engine, { kind, stored, options });
  if (left !== undefined) return jsonAnswer(200, left, warnings);
  if (kind.returnsDeleted === true) return jsonAnswer(200, parseObject(stored, groupVersionOf(kind)), warnings);
  const details = { ...detailsOf(kind, name), uid: stored.uid };
  return jsonAnswer(200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details }, warnings);
}

export async function deleteCollection(engine: Engine, target: Target, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, namespace } = target;
  if (kind.resource === 'namespaces') throw methodNotAllowed();
  const options = await readOptions(request);
  const filter = filterOf(kind, { namespace, query: request.query });
  const found = engine.store.list(kind.resource, namespace).filter(filter);
  const dryRun = options.dryRun;
  await Promise.all(
    found.map(async (stored) => {
      await askAboutDeletion(engine, { kind, stored, request, dryRun });
      await deleteStored(engine, { kind, stored, options });
    }),
  );
  const metadata = { resourceVersion: String(engine.store.revision) };
  return listAnswer(found, metadata, { kind, form: 'object', includeObject: 'Object', nowMs: 0 });
}

export interface Deletion {
  kind: Kind;
  stored: StoredObject;
  options: DeleteOptions;
}

/** Returns the object when it is still there, waiting for its finalizers or contents; undefined when it is gone. */
export async function deleteStored(engine: Engine, { kind, stored, options }: Deletion): Promise<KubeObject | undefined> {
  const object = parseObject(stored, groupVersionOf(kind));
  if (kind.resource === DEFINITIONS) return deleteDefinition(engine, stored, options.dryRun);
  const { metadata } = object;
  const before = metadata.finalizers ?? [];
  const finalizers = finalizersAfter(options.policy, before);
  const first = metadata.deletionTimestamp === undefined;
  const grace = graceOf(kind, object, options.grace);
  if (first) markDeleted(engine, object, grace);
  const shortened = !first && shortenGrace(object, grace, () => timeText(engine.clock.now() + grace * 1000));
  if (finalizers.length > 0) metadata.finalizers = finalizers;
  else delete metadata.finalizers;
  if (first && kind.resource === 'namespaces') {
    markTerminating(object);
    delete metadata.deletionGracePeriodSeconds;
  }
  if (mayVanish(object)) {
    if (first) unmarkDeleted(object);
    if (!options.dryRun) await engine.store.write({ resource: kind.resource, object, remove: true, persistence: kind.persistence }).done;
    return undefined;
  }
  const same = !first && !shortened && finalizers.length === before.length && finalizers.every((each) => before.includes(each));
  if (same) return object;
  return put(engine, { kind, object, dryRun: options.dryRun });
}

/** The policy decides which of the garbage collector's finalizers an object has; without one those that it has stay. */
function finalizersAfter(policy: string, before: readonly string[]): string[] {
  if (policy === '') return [...before];
  const others = before.filter((each) => each !== FOREGROUND && each !== ORPHAN);
  if (policy === 'Orphan') return [...others, ORPHAN];
  return policy === 'Foreground' ? [...others, FOREGROUND] : others;
}

function markDeleted(engine: Engine, object: KubeObject, grace = 0): void {
  object.metadata.deletionTimestamp = timeText(engine.clock.now() + grace * 1000);
  object.metadata.deletionGracePeriodSeconds = grace;
}

/** What goes at once was never seen being deleted. */
function unmarkDeleted({ metadata }: KubeObject): void {
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
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

async function readOptions(request: ApiRequest): Promise<DeleteOptions> {
  const { query } = request;
  const given = await readGiven(request);
  const policy = textAt(given, 'propagationPolicy') || (query.get('propagationPolicy') ?? '');
  const orphans = own(given, 'orphanDependents') ?? query.get('orphanDependents') ?? undefined;
  if (policy !== '' && orphans !== undefined) {
    const cause = invalidValue('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set');
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions', name: '' }, [cause]);
  }
  const fault = unsupportedValue('propagationPolicy', policy, ['Foreground', 'Background', 'Orphan', 'nil']);
  if (!['', 'Foreground', 'Background', 'Orphan'].includes(policy)) {
    throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions', name: '' }, [fault]);
  }
  const dryRun = [...query.getAll('dryRun'), ...listAt(given, 'dryRun').filter((value) => typeof value === 'string')];
  return {
    policy: policy === '' && orphans !== undefined ? (orphans === true || orphans === 'true' ? 'Orphan' : 'Background') : policy,
    uid: textAt(given, 'preconditions', 'uid'),
    resourceVersion: textAt(given, 'preconditions', 'resourceVersion'),
    dryRun: dryRunOf(dryRun, 'DeleteOptions'),
    ...graceWanted(own(given, 'gracePeriodSeconds') ?? query.get('gracePeriodSeconds')),
  };
}

/** Throws 400. */
function graceWanted(given: unknown): { grace?: number } {
  if (given === undefined || given === null || given === '') return {};
  const grace = Number(given);
  if (!Number.isInteger(grace)) throw badRequest(`gracePeriodSeconds must be a number of seconds, not ${JSON.stringify(given)}`);
  return { grace };
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
    throw badRequest(`couldn't get version/kind; json parse error: ${goJsonError(error, body)}`);
  }
  return checkKind(options);
}

function checkKind(options: unknown): unknown {
  const kind = dig(options, 'kind');
  if (isRecord(options) && (kind === undefined || kind === 'DeleteOptions')) return options;
  throw badRequest('the body of a DELETE must be DeleteOptions');
}

function checkPreconditions(kind: Kind, stored: StoredObject, { uid, resourceVersion }: DeleteOptions): void {
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
