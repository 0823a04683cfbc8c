/** Owns the names of objects on their way down: a key is the resource on the wire, `<namespace>/<type>/<name>` (beehive-message.md 5.1). */
import { configmaps, endpoints, nodes, pods, secrets, services, type ResourceType } from '../../store/kube-api.ts';

export type DownType = 'pod' | 'configmap' | 'secret' | 'service' | 'endpoints' | 'node';

export interface DownName {
  namespace: string;
  type: DownType;
  name: string;
}

export const downTypes: ReadonlyMap<DownType, ResourceType> = new Map([
  ['pod', pods],
  ['configmap', configmaps],
  ['secret', secrets],
  ['service', services],
  ['endpoints', endpoints],
  ['node', nodes],
]);

/** The segment in front of objects without a namespace. */
export const NO_NAMESPACE = 'default';

export function downKey(type: DownType, { namespace = NO_NAMESPACE, name }: { namespace?: string; name: string }): string {
  return `${namespace}/${type}/${name}`;
}

/** undefined: it is not the name of an object that goes down. */
export function parseDownKey(key: string): DownName | undefined {
  const [namespace = '', type = '', name = '', ...rest] = key.split('/');
  if (namespace === '' || name === '' || rest.length > 0 || !isDownType(type)) return undefined;
  return { namespace, type, name };
}

function isDownType(type: string): type is DownType {
  return (downTypes as ReadonlyMap<string, ResourceType>).has(type);
}
