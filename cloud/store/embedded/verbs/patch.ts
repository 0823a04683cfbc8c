/** Owns PATCH: applies one of the patch forms to the stored object and hands the result to update. */
import type { JsonPatchOperation, KubeObject } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import type { Engine, ItemTarget } from '../engine.ts';
import { goJsonError } from '../go-json-error.ts';
import { copy, isRecord } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { mediaTypeOf, parseJson } from '../negotiation.ts';
import { JsonPatchError, MOST_OPERATIONS, applyJsonPatch } from '../patch/json.ts';
import { applyMergePatch } from '../patch/merge.ts';
import { StrategicPatchError, applyStrategicPatch } from '../patch/strategic.ts';
import { badRequest, entityTooLarge, notFound, unprocessable, unsupportedMediaType, wrongPatchType } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import { dryRunOf, fieldValidationOf, readEnvelope } from './admission.ts';
import { APPLY_PATCH, applyObject, isApply } from './apply.ts';
import { checkManagerOptions } from './managers.ts';
import { checkAddress, replace } from './write.ts';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';

export async function patchObject(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  if (isApply(request)) return applyObject(engine, target, request);
  const { kind, name, namespace } = target;
  const { type, patch } = readPatch(request, kind);
  checkManagerOptions(request, 'PatchOptions', false);
  const validation = fieldValidationOf(request.query);
  const dryRun = dryRunOf(request.query.getAll('dryRun'), 'PatchOptions');
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) throw notFound(kind, name);
  const document = parseObject(stored, groupVersionOf(kind));
  if (mayTouchManagers(request)) document.metadata = copy(document.metadata);
  const next = readEnvelope(kind, applyPatch(type, { document, patch }));
  checkAddress(target, next);
  return replace(engine, { target, stored, next, request, validation, dryRun, patched: true });
}

/** A patch that does not name them, not even in disguise, cannot change the sets that are shared. */
function mayTouchManagers({ body }: ApiRequest): boolean {
  return body.includes('managedFields') || body.includes('\\u');
}

export interface ReadPatch {
  /** Its media type. */
  type: string;
  patch: unknown;
}

/** Throws 415. */
export function readPatchType({ contentType }: ApiRequest, { custom }: Pick<Kind, 'custom'>): string {
  const type = mediaTypeOf(contentType);
  const accepted = custom ? [JSON_PATCH, MERGE_PATCH] : [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH];
  if (!accepted.includes(type)) {
    // Routes of built-in kinds know their media types; those of custom kinds look at them later.
    if (!custom) throw wrongPatchType();
    throw unsupportedMediaType([...accepted, APPLY_PATCH]);
  }
  return type;
}

/** Throws 415, 413, 400. */
export function readPatch(request: ApiRequest, kind: Pick<Kind, 'custom'>): ReadPatch {
  const type = readPatchType(request, kind);
  let patch: unknown;
  try {
    patch = parseJson(request.body);
  } catch (error) {
    const why = goJsonError(error, request.body);
    throw badRequest(type === MERGE_PATCH ? `error decoding patch: ${why}` : why);
  }
  if (type === JSON_PATCH && !isOperations(patch)) throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch');
  if (type === JSON_PATCH && isOperations(patch) && patch.length > MOST_OPERATIONS) {
    throw entityTooLarge(`The allowed maximum operations in a JSON patch is ${MOST_OPERATIONS}, got ${patch.length}`);
  }
  if (type !== JSON_PATCH && !isRecord(patch)) throw badRequest('a merge patch of an object must be an object');
  return { type, patch };
}

function isOperations(patch: unknown): patch is JsonPatchOperation[] {
  return Array.isArray(patch) && patch.every((operation) => isRecord(operation) && typeof operation['op'] === 'string');
}

/** `document` may be changed. Throws 422, 400. */
export function applyPatch(type: string, { document, patch }: { document: KubeObject; patch: unknown }): Record<string, unknown> {
  const before = document.metadata.resourceVersion;
  let result: unknown;
  try {
    if (type === JSON_PATCH) result = applyJsonPatch(document, patch as JsonPatchOperation[]);
    else result = type === MERGE_PATCH ? applyMergePatch(document, patch) : applyStrategicPatch(document, patch);
  } catch (error) {
    if (error instanceof JsonPatchError) throw unprocessable();
    if (error instanceof StrategicPatchError) throw badRequest(error.message);
    throw error;
  }
  if (!isRecord(result)) throw unprocessable('the patch leaves no object');
  // A version that the patch names is a precondition; the one that was there anyway is not.
  const { metadata } = result;
  if (isRecord(metadata) && metadata['resourceVersion'] === before) delete metadata['resourceVersion'];
  return result;
}
