/** Owns what a request tries, in the terms of Kubernetes' access rules, and the words in which it is refused. */
import type { KubeError } from '../../kube-api.ts';
import type { ApiRequest, User } from '../api-request.ts';
import { parseFieldSelector } from '../selectors.ts';
import { refuse } from '../status.ts';

/** Texts are empty where the request names nothing. */
export interface ResourceAttempt {
  verb: string;
  group: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
}

/** A path that is no resource: discovery, health. */
export interface PathAttempt {
  verb: string;
  path: string;
}

export type Attempt = ResourceAttempt | PathAttempt;

const VERBS = new Map([
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);
const OPEN_PATHS = new Set(['healthz', 'readyz', 'livez', 'version']);
/** Below a namespace these belong to the namespace itself. */
const OF_NAMESPACE = new Set(['status', 'finalize']);

/** Health and version are for everybody. */
export function isOpen(segments: readonly string[]): boolean {
  return segments.length <= 2 && OPEN_PATHS.has(segments[0] ?? '');
}

/** Must read a path as routes.ts does: what is allowed here is what happens there. */
export function attemptOf({ method, segments, query }: Pick<ApiRequest, 'method' | 'segments' | 'query'>): Attempt {
  const [root, ...rest] = segments;
  const core = root === 'api';
  const [group = '', , ...path] = core ? ['', ...rest] : rest;
  if ((!core && root !== 'apis') || path.length === 0) return { verb: method.toLowerCase(), path: `/${segments.join('/')}` };
  const watches = path[0] === 'watch';
  const attempt = { group, ...placeOf(watches ? path.slice(1) : path) };
  if (watches) return { ...attempt, verb: 'watch' };
  const verb = VERBS.get(method) ?? '';
  if (attempt.name !== '' || !['get', 'delete'].includes(verb)) return { ...attempt, verb };
  if (verb === 'delete') return { ...attempt, verb: 'deletecollection' };
  return { ...attempt, verb: isWatch(query) ? 'watch' : 'list', name: nameSelected(query) };
}

function placeOf(path: readonly string[]): Pick<ResourceAttempt, 'namespace' | 'resource' | 'name' | 'subresource'> {
  const namespace = path[0] === 'namespaces' ? (path[1] ?? '') : '';
  const inside = path[0] === 'namespaces' && path.length > 2 && !OF_NAMESPACE.has(path[2] ?? '');
  const [resource = '', name = '', subresource = ''] = inside ? path.slice(2) : path;
  return { namespace, resource, name, subresource };
}

export function isWatch(query: URLSearchParams): boolean {
  const wanted = query.get('watch');
  return wanted !== null && wanted !== '0' && wanted.toLowerCase() !== 'false';
}

/** A list of one object by its name is a question about that object. */
function nameSelected(query: URLSearchParams): string {
  try {
    return parseFieldSelector(query.get('fieldSelector') ?? '').find(({ field, equal }) => equal && field === 'metadata.name')?.value ?? '';
  } catch {
    return '';
  }
}

export function isPath(attempt: Attempt): attempt is PathAttempt {
  return 'path' in attempt;
}

/** 403; `reason` says why no rule was found, where that is known. */
export function forbidden(user: User, attempt: Attempt, reason = ''): KubeError {
  const why = `User "${user.name}" cannot ${attempt.verb} ${objectOf(attempt)}${reason === '' ? '' : `: ${reason}`}`;
  if (isPath(attempt)) return refuse(403, 'Forbidden', { message: `forbidden: ${why}`, details: {} });
  const { group, resource, name } = attempt;
  return forbiddenFor({ group, plural: resource, name }, why);
}

function objectOf(attempt: Attempt): string {
  if (isPath(attempt)) return `path "${attempt.path}"`;
  const { group, resource, subresource, namespace } = attempt;
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return `resource "${resource}${subresource === '' ? '' : `/${subresource}`}" in API group "${group}" ${scope}`;
}

/** 403 about one resource, in the words `why`. */
export function forbiddenFor({ group, plural, name }: { group: string; plural: string; name: string }, why: string): KubeError {
  const resource = group === '' ? plural : `${plural}.${group}`;
  return refuse(403, 'Forbidden', {
    message: `${resource}${name === '' ? '' : ` "${name}"`} is forbidden: ${why}`,
    details: { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: plural },
  });
}
