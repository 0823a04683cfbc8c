/** Owns the comparison of what cloudcore asks of the Kubernetes API with what conf/kubernetes/rbac.yaml allows it. */
import diagnostics from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';

/** A request as the access rules of Kubernetes see it. */
export interface AskedRequest {
  verb: string;
  group: string;
  /** With the subresource: `nodes/status`. */
  resource: string;
  namespace?: string;
  name?: string;
}

export interface AccessRule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
  /** Of a Role; a ClusterRole has none. */
  namespace?: string;
}

/** On a cluster an administrator does these, by the manifests beside the rules. */
const ADMINISTRATOR: readonly AccessRule[] = [
  { apiGroups: ['apiextensions.k8s.io'], resources: ['customresourcedefinitions'], verbs: ['create', 'update'] },
  { apiGroups: [''], resources: ['namespaces'], verbs: ['create'] },
];

export function readAccessRules(file = path.join(import.meta.dirname, '../../conf/kubernetes/rbac.yaml')): AccessRule[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).flatMap((document) => {
    const { kind, metadata, rules } = document.toJS() as { kind: string; metadata: { namespace?: string }; rules?: AccessRule[] };
    if (rules === undefined) return [];
    const { namespace } = metadata;
    return kind === 'Role' && namespace !== undefined ? rules.map((rule) => ({ ...rule, namespace })) : rules;
  });
}

export function allows(rules: readonly AccessRule[], { verb, group, resource, namespace, name }: AskedRequest): boolean {
  return rules.some(
    (rule) =>
      rule.verbs.includes(verb) &&
      rule.apiGroups.includes(group) &&
      rule.resources.includes(resource) &&
      (rule.namespace === undefined || rule.namespace === namespace) &&
      (rule.resourceNames === undefined || (name !== undefined && rule.resourceNames.includes(name))),
  );
}

const WRITES: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
]);
const RESOURCE = /^\/(?:api\/v1|apis\/([^/]+)\/[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/;

/** Undefined for paths that are no resources. */
export function askedOf(method: string, url: string): AskedRequest | undefined {
  const { pathname, searchParams } = new URL(url, 'http://api');
  const match = RESOURCE.exec(pathname);
  if (match === null) return undefined;
  const [, group = '', namespace, plural = '', name, subresource] = match;
  const reads = name !== undefined ? 'get' : searchParams.has('watch') ? 'watch' : 'list';
  const removes = name !== undefined ? 'delete' : 'deletecollection';
  return {
    verb: method === 'GET' ? reads : method === 'DELETE' ? removes : (WRITES.get(method) ?? method),
    group,
    resource: subresource === undefined ? plural : `${plural}/${subresource}`,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
}

export interface RequestWatch {
  /** `verb group/resource`, each once. */
  readonly asked: ReadonlySet<string>;
  /** Those that the rules do not allow, each once. */
  readonly refused: ReadonlySet<string>;
  end(): void;
}

/** Looks at the requests that cloudcore makes from this process. */
export function watchRequests(rules: readonly AccessRule[] = readAccessRules()): RequestWatch {
  const all = [...rules, ...ADMINISTRATOR];
  const asked = new Set<string>();
  const refused = new Set<string>();
  const look = (message: unknown): void => {
    const { request } = message as { request: ClientRequest };
    if (!String(request.getHeader('user-agent')).startsWith('hivelet-cloudcore/')) return;
    const one = askedOf(request.method, request.path);
    if (one === undefined) return;
    asked.add(`${one.verb} ${one.group}/${one.resource}`);
    if (!allows(all, one)) refused.add(JSON.stringify(one));
  };
  diagnostics.subscribe('http.client.request.start', look);
  return { asked, refused, end: () => void diagnostics.unsubscribe('http.client.request.start', look) };
}
