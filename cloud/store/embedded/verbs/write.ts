/** Owns create and update: what both PUT and PATCH end in. */
import { randomUUID } from 'node:crypto';
import type { KubeObject, ObjectMeta } from '../../kube-api.ts';
import type { ResourceAttempt } from '../access/attempt.ts';
import { checkGranting } from '../access/escalation.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget, Target } from '../engine.ts';
import { timeText } from '../engine.ts';
import { copy, deepEqual } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { sameManagers } from '../managed-fields/managers.ts';
import type { Managers } from '../managed-fields/managers.ts';
import { generateName, keepServerFields, tidyMetadata } from '../metadata.ts';
import { formOf, readObject } from '../negotiation.ts';
import type { Persistence } from '../object-store.ts';
import { alreadyExists, badRequest, conflict, invalid, invalidValue, notFound, refuse } from '../status.ts';
import { parseObject, storeObject } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';
import { askAboutWrite } from '../webhooks/ask.ts';
import { admit, dryRunOf, fieldValidationOf, readEnvelope } from './admission.ts';
import type { FieldValidation } from './admission.ts';
import {
  checkManagerOptions,
  liveManagers,
  managerOfRequest,
  managersOfCreate,
  managersOfUpdate,
  putManagers,
  takeManagers,
} from './managers.ts';
import type { Writing } from './managers.ts';
import { keepNamespaceFinalizers, mayVanish, requireNamespace } from './namespaces.ts';
import { includeObjectOf, renderObject } from './render.ts';

export async function createObject(engine: Engine, target: Target, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, namespace } = target;
  const validation = fieldValidationOf(request.query);
  const dryRun = dryRunOf(request.query.getAll('dryRun'), 'CreateOptions');
  checkManagerOptions(request, 'CreateOptions', false);
  const object = readEnvelope(kind, await readObject(request, kind));
  const { metadata } = object;
  if (!kind.namespaced) delete metadata.namespace;
  if (metadata.namespace !== undefined && metadata.namespace !== (namespace ?? '')) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (kind.namespaced && namespace !== undefined) {
    requireNamespace(engine, kind, { namespace, object });
    metadata.namespace = namespace;
  }
  if (metadata.resourceVersion !== undefined) {
    throw refuse(500, '', { message: 'resourceVersion should not be set on objects to be created' });
  }
  return insert(engine, object, { kind, request, validation, dryRun, patched: false });
}

export interface Insertion {
  kind: Kind;
  request: ApiRequest;
  validation: FieldValidation;
  dryRun: boolean;
  /** The body is the result of an apply. */
  patched: boolean;
  /** Those of an apply; else whoever creates it owns all of it. */
  managers?: Managers;
}

export async function insert(engine: Engine, object: KubeObject, insertion: Insertion): Promise<ApiAnswer> {
  const { kind, request, validation, dryRun, patched } = insertion;
  const { store, clock } = engine;
  takeManagers(object.metadata);
  const metadata: ObjectMeta = { ...object.metadata, uid: randomUUID(), creationTimestamp: timeText(clock.now()) };
  for (const key of ['generation', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) delete metadata[key];
  if (metadata.name === '' && metadata.generateName !== undefined)
    metadata.name = generateName(metadata.generateName, () => clock.random());
  if (kind.counts) metadata.generation = 1;
  object.metadata = metadata;
  if (kind.custom && kind.hasStatus) delete object['status'];
  // The right to update or to patch was asked for, not that to create.
  if (request.method !== 'POST') engine.rbac.demand(request.user, creationOf(kind, metadata));
  const { warnings } = admit(kind, object, { previous: undefined, validation, patched });
  checkGranting(engine.rbac, { kind, object, previous: undefined, user: request.user });
  const asked = askAboutWrite(engine, { kind, object, request, dryRun });
  if (asked !== undefined) warnings.push(...(await asked));
  if (store.get(kind.resource, metadata.namespace ?? '', metadata.name) !== undefined) throw alreadyExists(kind, metadata.name);
  const by = { manager: managerOfRequest(kind, request, undefined), time: timeText(clock.now()) };
  putManagers(metadata, insertion.managers ?? managersOfCreate(kind, object, by));
  const saved = await save(engine, { kind, object, dryRun, request });
  return { ...jsonAnswer(201, render(engine, saved, { kind, request }), warnings), created: metadata.name };
}

/** Without a name: of whichever name. */
export function creationOf({ group, plural }: Kind, { namespace = '', name = '' }: Partial<ObjectMeta>): ResourceAttempt {
  return { verb: 'create', group, resource: plural, subresource: '', namespace, name };
}

export async function updateObject(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, namespace } = target;
  const validation = fieldValidationOf(request.query);
  const dryRun = dryRunOf(request.query.getAll('dryRun'), 'UpdateOptions');
  checkManagerOptions(request, 'UpdateOptions', false);
  const object = readEnvelope(kind, await readObject(request, kind));
  checkAddress(target, object);
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) {
    if (!kind.createOnUpdate || target.subresource !== undefined) throw notFound(kind, name);
    if (namespace !== undefined) requireNamespace(engine, kind, { namespace, object });
    delete object.metadata.resourceVersion;
    return insert(engine, object, { kind, request, validation, dryRun, patched: false });
  }
  if (kind.custom && object.metadata.resourceVersion === undefined) {
    const cause = invalidValue('metadata.resourceVersion', '0x0', 'must be specified for an update');
    cause.message = 'Invalid value: 0x0: must be specified for an update';
    throw invalid({ group: kind.group, kind: kind.plural, name }, [cause]);
  }
  return replace(engine, { target, stored, next: object, request, validation, dryRun, patched: false });
}

export interface Replacement {
  target: ItemTarget;
  stored: StoredObject;
  /** Envelope checked; may be changed. */
  next: KubeObject;
  request: ApiRequest;
  validation: FieldValidation;
  dryRun: boolean;
  patched: boolean;
  /** Those of an apply; else whoever writes owns what changed. */
  managers?: Managers;
  /** The path that the change came by, where it is not the one that it is written by (scale). */
  recordedAs?: string;
}

/** Writes `next` over `stored`, as far as the path may: without status, or status only. An unchanged object keeps its version. */
export async function replace(engine: Engine, change: Replacement): Promise<ApiAnswer> {
  const { target, stored, request, validation, patched } = change;
  const { kind } = target;
  const previous = parseObject(stored, groupVersionOf(kind));
  const live = liveManagers(previous.metadata);
  const sent = takeManagers(change.next.metadata);
  checkPreconditions(kind, { next: change.next, previous });
  const object = combine(target, previous, change.next);
  keepServerFields(object.metadata, previous.metadata);
  tidyMetadata(object.metadata);
  const { warnings } = admit(kind, object, { previous, validation, patched });
  checkGranting(engine.rbac, { kind, object, previous, user: request.user });
  const before = { stored, object: previous };
  const asked = askAboutWrite(engine, { kind, subresource: target.subresource, object, before, request, dryRun: change.dryRun });
  if (asked !== undefined) warnings.push(...(await asked));
  const managers = change.managers ?? managersAfter(engine, change, { previous, next: object, live, sent });
  if (deepEqual(previous, object) && sameManagers(live, managers)) {
    return jsonAnswer(200, render(engine, stored, { kind, request }), warnings);
  }
  if (kind.counts && contentChanged(kind, previous, object)) object.metadata.generation = (previous.metadata.generation ?? 0) + 1;
  putManagers(object.metadata, managers);
  if (mayVanish(object)) {
    return finishDeletion(engine, { object, stored, change });
  }
  const saved = await save(engine, { kind, object, dryRun: change.dryRun, request });
  return jsonAnswer(200, render(engine, saved, { kind, request }), warnings);
}

function managersAfter(
  engine: Engine,
  { target, request, recordedAs }: Replacement,
  states: Pick<Writing, 'previous' | 'next' | 'live' | 'sent'>,
): Managers {
  const manager = managerOfRequest(target.kind, request, recordedAs ?? target.subresource);
  return managersOfUpdate(target.kind, { ...states, manager, time: timeText(engine.clock.now()) });
}

/** The last finalizer is gone, and with it the object; the answer shows it as it went. */
async function finishDeletion(
  engine: Engine,
  ending: { object: KubeObject; stored: StoredObject; change: Replacement },
): Promise<ApiAnswer> {
  const { object, stored, change } = ending;
  const { kind } = change.target;
  const shown = storeObject(copy(object), stored.revision);
  if (!change.dryRun) {
    await engine.store.write({ resource: kind.resource, object, remove: true, persistence: kind.persistence }).done;
  }
  return jsonAnswer(200, render(engine, shown, { kind, request: change.request }));
}

/** Body and URL must name the same object. Throws 400. */
export function checkAddress({ name, namespace }: ItemTarget, object: KubeObject): void {
  const { metadata } = object;
  if (metadata.name === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`);
  }
  if (metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (namespace === undefined) delete metadata.namespace;
  if (metadata.namespace !== undefined && metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the request (${namespace ?? ''})`,
    );
  }
  if (namespace !== undefined) metadata.namespace = namespace;
}

function checkPreconditions(kind: Kind, { next, previous }: { next: KubeObject; previous: KubeObject }): void {
  const { uid, resourceVersion, name } = next.metadata;
  if (resourceVersion !== undefined && !/^\d+$/.test(resourceVersion)) {
    throw badRequest(`strconv.ParseUint: parsing ${JSON.stringify(resourceVersion)}: invalid syntax`);
  }
  if (resourceVersion !== undefined && resourceVersion !== previous.metadata.resourceVersion) throw conflict(kind, name);
  if (uid !== undefined && uid !== previous.metadata.uid) {
    throw conflict(kind, name, uidMismatch(kind, previous.metadata, uid));
  }
}

/** In the words of the real server's storage. */
function uidMismatch(kind: Kind, { namespace, name, uid = '' }: ObjectMeta, wanted: string): string {
  const key = ['/registry', ...(kind.custom ? [kind.group] : []), kind.plural, ...(namespace === undefined ? [] : [namespace]), name].join(
    '/',
  );
  const why = `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${uid}`;
  return `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`;
}

/** What this path may change, over what stays. */
function combine({ kind, subresource }: ItemTarget, previous: KubeObject, next: KubeObject): KubeObject {
  if (subresource === 'status') {
    if (kind.custom) return withField({ ...previous }, 'status', next['status']);
    const { labels: _labels, annotations: _annotations, ...rest } = previous.metadata;
    const { labels, annotations } = next.metadata;
    const metadata = { ...rest, ...(labels === undefined ? {} : { labels }), ...(annotations === undefined ? {} : { annotations }) };
    return withField({ ...previous, metadata }, 'status', next['status']);
  }
  if (kind.resource === 'namespaces') keepNamespaceFinalizers({ previous, next, finalizing: subresource === 'finalize' });
  if (subresource === 'finalize') return withField({ ...previous }, 'spec', next['spec']);
  return kind.hasStatus ? withField(next, 'status', copy(previous['status'])) : next;
}

function withField(object: KubeObject, field: string, value: unknown): KubeObject {
  if (value === undefined) delete object[field];
  else object[field] = value;
  return object;
}

/** Anything outside metadata; status counts only where it has no path of its own. */
function contentChanged(kind: Kind, previous: KubeObject, next: KubeObject): boolean {
  const content = (object: KubeObject): Record<string, unknown> => {
    const { metadata, ...rest } = object;
    void metadata;
    if (kind.hasStatus) delete rest['status'];
    return rest;
  };
  return !deepEqual(content(previous), content(next));
}

interface Saving {
  kind: Kind;
  object: KubeObject;
  dryRun: boolean;
  request: ApiRequest;
}

/** Stores in the version of the URL: conversion changes nothing but the name of the version. Resolves after the commit. */
async function save(engine: Engine, { kind, object, dryRun, request }: Saving): Promise<StoredObject> {
  if (dryRun) return storeObject(object, undefined);
  const persistence: Persistence = kind.persistence === 'now' && request.persistLater ? 'later' : kind.persistence;
  const { stored, done } = engine.store.write({ resource: kind.resource, object, persistence });
  await done;
  return stored;
}

function render(engine: Engine, stored: StoredObject, { kind, request }: { kind: Kind; request: ApiRequest }): string {
  const form = formOf(request.accept);
  return renderObject(stored, { kind, form, includeObject: includeObjectOf(request.query), nowMs: engine.clock.now() });
}
