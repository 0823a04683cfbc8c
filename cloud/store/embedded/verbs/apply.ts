/** Owns server-side apply over HTTP: options and body, creation, conflicts as the answer tells them. */
import { messageOf } from '#beehive/errors.ts';
import type { KubeError, KubeObject, ManagedFieldsEntry } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import type { Engine, ItemTarget } from '../engine.ts';
import { timeText } from '../engine.ts';
import { isRecord, own } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { ApplyConflictError, applied } from '../managed-fields/apply.ts';
import type { Applied, Conflict } from '../managed-fields/apply.ts';
import { faultsOf } from '../managed-fields/check.ts';
import { pathText } from '../managed-fields/field-set.ts';
import { rootOf } from '../managed-fields/place.ts';
import { mediaTypeOf, parseJson, parseYaml } from '../negotiation.ts';
import { badRequest, conflict, notFound, refuse } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import { dryRunOf, fieldValidationOf, readEnvelope } from './admission.ts';
import { checkManagerOptions, liveManagers, managerOfRequest } from './managers.ts';
import { requireNamespace } from './namespaces.ts';
import { checkAddress, insert, replace } from './write.ts';

export const APPLY_PATCH = 'application/apply-patch+yaml';

export function isApply({ contentType }: ApiRequest): boolean {
  return mediaTypeOf(contentType) === APPLY_PATCH;
}

export async function applyObject(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, namespace, subresource } = target;
  const body = await readApplied(request);
  checkEnvelope(kind, body);
  const wanted = readEnvelope(kind, body);
  checkAddress(target, wanted);
  checkFields(kind, wanted);
  const options = {
    request,
    validation: fieldValidationOf(request.query),
    dryRun: dryRunOf(request.query.getAll('dryRun'), 'PatchOptions'),
  };
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored !== undefined) {
    const live = parseObject(stored, groupVersionOf(kind));
    const { object, managers } = applyOver(engine, target, { live, wanted, request });
    return replace(engine, { target, stored, next: object as KubeObject, patched: true, managers, ...options });
  }
  if (subresource !== undefined) throw notFound(kind, name);
  const { uid } = wanted.metadata;
  if (uid !== undefined) {
    throw conflict(kind, name, `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`);
  }
  if (namespace !== undefined) requireNamespace(engine, kind, { namespace, object: wanted });
  delete wanted.metadata.resourceVersion;
  const { object, managers } = applyOver(engine, target, { live: undefined, wanted, request });
  return insert(engine, object as KubeObject, { kind, managers, patched: true, ...options });
}

export interface ApplyOver {
  /** Its managedFields are taken out. */
  live: KubeObject | undefined;
  wanted: KubeObject;
  request: ApiRequest;
}

/** Throws 409 with the fields of others. */
export function applyOver(engine: Engine, { kind, subresource }: ItemTarget, { live, wanted, request }: ApplyOver): Applied {
  try {
    return applied({
      place: rootOf(kind),
      managers: live === undefined ? [] : liveManagers(live.metadata),
      live: live ?? {},
      wanted: partOf(kind, wanted, subresource),
      manager: managerOfRequest(kind, request, subresource),
      force: ['true', '1'].includes(request.query.get('force') ?? ''),
      time: timeText(engine.clock.now()),
    });
  } catch (error) {
    if (error instanceof ApplyConflictError) throw conflictAnswer(error.conflicts);
    throw error;
  }
}

/** What this path may write. */
function partOf(kind: Kind, wanted: KubeObject, subresource: string | undefined): KubeObject {
  if (!kind.hasStatus || subresource === 'scale') return wanted;
  const { apiVersion, kind: name, metadata, status, ...rest } = wanted;
  if (subresource !== 'status') return { apiVersion, kind: name, metadata, ...rest };
  const { labels, annotations, finalizers: _finalizers, ownerReferences: _owners, ...address } = metadata;
  const kept = kind.custom ? {} : { ...(labels === undefined ? {} : { labels }), ...(annotations === undefined ? {} : { annotations }) };
  return { apiVersion, kind: name, metadata: { ...address, ...kept }, ...(status === undefined ? {} : { status }) };
}

/** The options and the body: JSON, as kubectl sends it, or YAML. Throws 400, 422. */
export async function readApplied(request: ApiRequest): Promise<JsonRecord> {
  checkManagerOptions(request, 'PatchOptions', true);
  let body: unknown;
  try {
    body = /^\s*\{/.test(request.body) ? jsonOrUndefined(request.body) : undefined;
    body ??= await parseYaml(request.body);
  } catch (error) {
    throw badRequest(`error decoding YAML: ${messageOf(error)}`);
  }
  if (!isRecord(body)) throw badRequest('error decoding YAML: the body of an apply must be an object');
  const managedFields = own(own(body, 'metadata'), 'managedFields');
  if (managedFields !== undefined && managedFields !== null) throw badRequest('metadata.managedFields must be nil');
  return body;
}

/** YAML may begin with a brace too. */
function jsonOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function checkEnvelope(kind: Kind, body: JsonRecord): void {
  const given = own(body, 'kind');
  const version = own(body, 'apiVersion');
  const expected = groupVersionOf(kind);
  if (typeof given !== 'string' || typeof version !== 'string') throw badRequest("Object 'Kind' and 'apiVersion' are needed in an apply");
  if (version !== expected) {
    throw badRequest(`Incorrect version specified in apply patch. Specified patch version: ${version}, expected: ${expected}`);
  }
  if (given !== kind.kind) throw badRequest(`invalid object type: ${version}, Kind=${given}`);
}

/** The real server answers 500 here, without a reason. */
function checkFields(kind: Kind, wanted: KubeObject): void {
  const faults = faultsOf(rootOf(kind), wanted);
  if (faults.length === 0) return;
  const { name, namespace = '' } = wanted.metadata;
  const text = faults.length === 1 ? (faults[0] ?? '') : ['errors:', ...faults.map((fault) => `  ${fault}`)].join('\n');
  const what = `${namespace}/${name}; ${groupVersionOf(kind)}, Kind=${kind.kind}`;
  throw refuse(500, '', { message: `failed to create typed patch object (${what}): ${text}` });
}

function conflictAnswer(conflicts: readonly Conflict[]): KubeError {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${shownManager(manager)}`,
    field: pathText(path),
  }));
  return refuse(409, 'Conflict', { message: conflictText(conflicts), details: { causes } });
}

function conflictText(conflicts: readonly Conflict[]): string {
  const [first] = conflicts;
  if (conflicts.length === 1 && first !== undefined) {
    return `Apply failed with 1 conflict: conflict with ${shownManager(first.manager)}: ${pathText(first.path)}`;
  }
  const byManager = new Map<string, string[]>();
  for (const { manager, path } of conflicts) {
    const shown = shownManager(manager);
    byManager.set(shown, [...(byManager.get(shown) ?? []), `- ${pathText(path)}`]);
  }
  const lines = [...byManager].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([manager, paths]) => [`conflicts with ${manager}:`, ...paths]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

function shownManager({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  const where = subresource === undefined ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${where}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}
