/** Owns which objects a list or watch is about: namespace, label selector, field selector. */
import type { KubeObject } from '../../kube-api.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { parseLabelSelector } from '../label-selector.ts';
import { parseFieldSelector } from '../selectors.ts';
import { badRequest } from '../status.ts';
import { parseContent } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';

export type Filter = (stored: StoredObject) => boolean;

/** Throws 400. Undefined selectors match everything. */
export function filterOf(kind: Kind, { namespace, query }: { namespace: string | undefined; query: URLSearchParams }): Filter {
  const tests: Filter[] = [];
  if (namespace !== undefined) tests.push((stored) => stored.namespace === namespace);
  for (const { field, value, equal } of parseFieldSelector(query.get('fieldSelector') ?? '')) {
    const read = fieldReader(kind, field);
    tests.push((stored) => (read(stored) === value) === equal);
  }
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  if (labels !== undefined) tests.push((stored) => labels(stored.labels));
  return (stored) => tests.every((matches) => matches(stored));
}

export function hasSelectors(query: URLSearchParams): boolean {
  return (query.get('labelSelector') ?? '') !== '' || (query.get('fieldSelector') ?? '') !== '';
}

function fieldReader(kind: Kind, field: string): (stored: StoredObject) => string {
  if (field === 'metadata.name') return (stored) => stored.name;
  if (field === 'metadata.namespace' && kind.namespaced) return (stored) => stored.namespace;
  const read: ((object: KubeObject) => string) | undefined = kind.fields.get(field);
  const apiVersion = groupVersionOf(kind);
  if (read !== undefined) return (stored) => read(parseContent(stored, apiVersion));
  if (kind.custom) throw badRequest(`field label not supported: ${field}`);
  const known = ['metadata.name', ...(kind.namespaced ? ['metadata.namespace'] : []), ...kind.fields.keys()];
  throw badRequest(`"${field}" is not a known field selector: only ${known.map((each) => `"${each}"`).join(', ')}`);
}
