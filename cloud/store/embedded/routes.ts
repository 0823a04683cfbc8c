/** Owns the paths: which of them name resources, which answer questions about the server, and which do not exist. */
import { isOpen, isWatch } from './access/attempt.ts';
import type { ApiAnswer, ApiRequest, PlainAnswer } from './api-request.ts';
import { jsonAnswer, textAnswer } from './api-request.ts';
import { aggregated, apiGroup, apiGroupList, apiResourceList, apiVersions } from './discovery.ts';
import type { Engine, ItemTarget, Target } from './engine.ts';
import { aggregatedVersion } from './negotiation.ts';
import type { OpenApi } from './openapi.ts';
import { OPENAPI_V2_ASKED, OPENAPI_V2_TYPE, openApiV2 } from './protobuf/openapi-v2.ts';
import { badRequest, methodNotAllowed, methodNotSupported, noSuchResource, notFound } from './status.ts';
import { deleteCollection, deleteObject } from './verbs/delete.ts';
import { patchObject, readPatchType } from './verbs/patch.ts';
import { getObject, listObjects } from './verbs/read.ts';
import { bindByBody, bindPod, evictPod, isStream, refuseStream } from './verbs/pods.ts';
import { answerReview, isReview } from './verbs/reviews.ts';
import { scaleObject } from './verbs/scale.ts';
import { answerTokenRequest } from './verbs/token-request.ts';
import { watchObjects } from './verbs/watch.ts';
import { createObject, creationOf, updateObject } from './verbs/write.ts';
import { whileOvertaken } from './webhooks/ask.ts';

export interface Routes {
  engine: Engine;
  openApi: OpenApi;
  /** `host:port` for clients inside the cluster. */
  address: string;
  version: Record<string, string>;
  /** Undefined = ready; else one sentence. */
  notReady: () => string | undefined;
}

const AGGREGATED_TYPE = 'application/json;g=apidiscovery.k8s.io;v=VERSION;as=APIGroupDiscoveryList';
const NOT_FOUND_TEXT = '404 page not found\n';

/** Whether the user may was asked before. Throws `KubeError`. */
export async function answer(routes: Routes, request: ApiRequest): Promise<ApiAnswer> {
  const { segments } = request;
  if (isOpen(segments)) return openAnswer(routes, segments);
  const [root = '', ...rest] = segments;
  if (root === 'api') return coreAnswer(routes, request, rest);
  if (root === 'apis') return groupAnswer(routes, request, rest);
  if (root === 'openapi') return openApiAnswer(routes, request, rest);
  return jsonAnswer(404, { paths: ['/api', '/apis', '/healthz', '/livez', '/openapi/v3', '/readyz', '/version'] });
}

function openAnswer({ version, notReady }: Routes, segments: readonly string[]): PlainAnswer {
  if (segments[0] === 'version') return segments.length === 1 ? jsonAnswer(200, version) : textAnswer(404, NOT_FOUND_TEXT);
  const fault = segments[0] === 'livez' ? undefined : notReady();
  return fault === undefined ? textAnswer(200, 'ok') : textAnswer(503, fault);
}

function coreAnswer(routes: Routes, request: ApiRequest, rest: string[]): ApiAnswer | Promise<ApiAnswer> {
  const [version, ...path] = rest;
  if (version === undefined) return discovery(routes, request, () => apiVersions(routes.address));
  if (routes.engine.registry.version('', version) === undefined) throw noSuchResource();
  if (path.length === 0) return jsonAnswer(200, apiResourceList(routes.engine.registry, '', version));
  return resourceAnswer(routes, request, { group: '', version, path });
}

function groupAnswer(routes: Routes, request: ApiRequest, rest: string[]): ApiAnswer | Promise<ApiAnswer> {
  const { registry } = routes.engine;
  const [group, version, ...path] = rest;
  if (group === undefined) return discovery(routes, request, () => apiGroupList(registry));
  if (version === undefined) return documentOr404(apiGroup(registry, group));
  if (isBuiltIn(registry, group) && registry.version(group, version) === undefined) throw noSuchResource();
  if (path.length === 0) return documentOr404(group === '' ? undefined : apiResourceList(registry, group, version));
  return resourceAnswer(routes, request, { group, version, path });
}

function isBuiltIn(registry: Engine['registry'], group: string): boolean {
  return registry.all().some((kind) => kind.group === group && !kind.custom);
}

function documentOr404(document: Record<string, unknown> | undefined): PlainAnswer {
  return document === undefined ? textAnswer(404, NOT_FOUND_TEXT) : jsonAnswer(200, document);
}

/** The aggregated form where it is asked for: its media type must be named exactly, or kubectl reads it as the plain one. */
function discovery({ engine }: Routes, request: ApiRequest, plain: () => unknown): PlainAnswer {
  const version = aggregatedVersion(request.accept);
  if (version === undefined) return jsonAnswer(200, plain());
  const document = aggregated(engine.registry, { core: request.segments[0] === 'api', version });
  return { ...jsonAnswer(200, document), contentType: AGGREGATED_TYPE.replace('VERSION', version) };
}

async function openApiAnswer({ openApi, engine }: Routes, { query, accept }: ApiRequest, rest: string[]): Promise<PlainAnswer> {
  const [form, kind, group, version] = rest;
  if (form === 'v2' && kind === undefined && accept.includes(OPENAPI_V2_ASKED)) {
    return { status: 200, contentType: OPENAPI_V2_TYPE, body: '', bytes: openApiV2(engine.registry.all()) };
  }
  if (form !== 'v3') return textAnswer(404, NOT_FOUND_TEXT);
  if (kind === undefined) return jsonAnswer(200, openApi.index());
  const core = kind === 'api' && version === undefined;
  if (!core && (kind !== 'apis' || group === '')) return textAnswer(404, NOT_FOUND_TEXT);
  const document = core ? await openApi.document('', group ?? '') : await openApi.document(group ?? '', version ?? '');
  if (document === undefined) return textAnswer(404, NOT_FOUND_TEXT);
  const headers: Record<string, string> = { ETag: `"${document.hash}"` };
  if (query.get('hash') === document.hash) {
    headers['Cache-Control'] = 'public, immutable';
    headers['Expires'] = 'Thu, 31 Dec 2099 23:59:59 GMT';
  }
  return { ...jsonAnswer(200, document.text), headers };
}

interface ResourcePath {
  group: string;
  version: string;
  path: string[];
}

function resourceAnswer(routes: Routes, request: ApiRequest, where: ResourcePath): ApiAnswer | Promise<ApiAnswer> {
  const { engine } = routes;
  const legacyWatch = where.path[0] === 'watch';
  const target = targetOf(engine, legacyWatch ? { ...where, path: where.path.slice(1) } : where);
  // Absent built-in resources answer with a Status; of a group made by a definition the whole path is unknown.
  if (target === undefined) {
    if (where.group === '' || engine.registry.version(where.group, where.version)?.some((kind) => !kind.custom) === true)
      throw noSuchResource();
    return textAnswer(404, NOT_FOUND_TEXT);
  }
  if (legacyWatch) return watchObjects(engine, target, legacyQuery(target, request));
  if (target.kind.custom) {
    const unusual = customAnswer(engine, target, request);
    if (unusual !== undefined) return unusual;
  }
  // Only the routes of custom kinds take a HEAD.
  const asked = target.kind.custom && request.method === 'HEAD' ? { ...request, method: 'GET' } : request;
  return target.name === undefined
    ? collectionAnswer(engine, target, asked)
    : whileOvertaken(() => itemAnswer(engine, { ...target, name: target.name ?? '' }, asked));
}

function legacyQuery(target: Target, request: ApiRequest): ApiRequest {
  if (target.name === undefined) return request;
  const query = new URLSearchParams(request.query);
  query.set('fieldSelector', `metadata.name=${target.name}`);
  return { ...request, query };
}

/** Undefined where nothing is served. */
function targetOf({ registry }: Engine, { group, version, path }: ResourcePath): Target | undefined {
  let namespace: string | undefined;
  let rest = path;
  // `namespaces/x` and `namespaces/x/status` are the namespace itself.
  if (rest[0] === 'namespaces' && rest.length >= 3 && rest[2] !== 'status' && rest[2] !== 'finalize') [, namespace, ...rest] = rest;
  const [plural = '', name, subresource, ...more] = rest;
  const kind = registry.find(group, version, plural);
  if (kind === undefined || more.length > 0) return undefined;
  if (kind.namespaced !== (namespace !== undefined) && (name !== undefined || !kind.namespaced)) return undefined;
  return { kind, namespace, name, subresource };
}

/** What a real server's handler of custom kinds, which has no table of routes, makes of methods where they do not belong. */
function customAnswer(engine: Engine, target: Target, request: ApiRequest): ApiAnswer | Promise<ApiAnswer> | undefined {
  const { kind, namespace, name, subresource } = target;
  const { method } = request;
  const reads = method === 'GET' || method === 'HEAD';
  if (name === undefined) {
    if (!reads && kind.namespaced && namespace === undefined) return textAnswer(404, NOT_FOUND_TEXT);
    if (method === 'PATCH') readPatchType(request, kind);
    if (method === 'PUT' || method === 'PATCH') throw badRequest('name must be provided');
    return undefined;
  }
  if (subresource === undefined) {
    if (method !== 'POST') return undefined;
    // The body says what is made, and under which name: the right to make this one is not enough.
    engine.rbac.demand(request.user, creationOf(kind, { ...(namespace === undefined ? {} : { namespace }) }));
    return collectionAnswer(engine, { ...target, name: undefined }, request);
  }
  const served = (subresource === 'status' && kind.hasStatus) || (subresource === 'scale' && kind.scale !== undefined);
  if (!served) throw notFound(kind, name);
  if (reads || method === 'PUT' || method === 'PATCH') return undefined;
  throw methodNotSupported(kind, method === 'POST' ? 'create' : method === 'DELETE' ? 'delete' : '');
}

function collectionAnswer(engine: Engine, target: Target, request: ApiRequest): ApiAnswer | Promise<ApiAnswer> {
  if (isReview(target)) return answerReview(engine, target, request);
  if (target.kind.resource === 'bindings') return bindByBody(engine, target, request);
  switch (request.method) {
    case 'GET':
      return isWatch(request.query) ? watchObjects(engine, target, request) : listObjects(engine, target, request);
    case 'POST':
      if (target.kind.namespaced && target.namespace === undefined) throw methodNotAllowed();
      if (target.kind.terminating === true) throw methodNotAllowed('create not allowed while custom resource definition is terminating');
      return createObject(engine, target, request);
    case 'DELETE':
      if (target.kind.namespaced && target.namespace === undefined) throw methodNotAllowed();
      return whileOvertaken(() => deleteCollection(engine, target, request));
    default:
      throw methodNotAllowed();
  }
}

function itemAnswer(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, subresource } = target;
  if (subresource === 'scale' && kind.scale !== undefined && ['GET', 'PUT', 'PATCH'].includes(request.method)) {
    return scaleObject(engine, { ...target, paths: kind.scale }, request);
  }
  if (subresource === 'finalize' && kind.resource === 'namespaces') {
    if (request.method !== 'PUT') throw methodNotAllowed();
    return updateObject(engine, target, request);
  }
  const below = belowAnswer(engine, target, request);
  if (below !== undefined) return below;
  if (isReview(target) || kind.resource === 'bindings') throw methodNotAllowed();
  if (subresource !== undefined && !(subresource === 'status' && kind.hasStatus)) {
    throw noSuchResource();
  }
  if (name === '') throw badRequest('the name of the object is missing in the path');
  switch (request.method) {
    case 'GET':
      return getObject(engine, target, request);
    case 'PUT':
      return updateObject(engine, target, request);
    case 'PATCH':
      return patchObject(engine, target, request);
    case 'DELETE':
      if (subresource !== undefined) throw methodNotAllowed();
      return deleteObject(engine, target, request);
    default:
      throw methodNotAllowed();
  }
}

/** The paths below pods and service accounts; undefined for all others. */
function belowAnswer(engine: Engine, target: ItemTarget, request: ApiRequest): Promise<ApiAnswer> | undefined {
  const { kind, subresource } = target;
  if (!(kind.subresources ?? []).some(({ name }) => name === subresource)) return undefined;
  if (kind.resource === 'pods' && isStream(subresource)) return refuseStream(engine, target);
  if (request.method !== 'POST') throw methodNotAllowed();
  if (subresource === 'token') return answerTokenRequest(engine, target, request);
  return subresource === 'binding' ? bindPod(engine, target, request) : evictPod(engine, target, request);
}
