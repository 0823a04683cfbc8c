/** Owns server-side apply of tests: requests against a test server, and who is recorded in an answer. */
import type { KubeObject, ManagedFieldsEntry, StatusBody } from '#cloud/store/kube-api.ts';
import type { RawRequest, TestApiServer } from './api-server.ts';

export const APPLY_TYPE = 'application/apply-patch+yaml';
export const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

export interface Answered {
  status: number;
  body: KubeObject & StatusBody;
}

export interface Applier {
  send(request: RawRequest): Promise<Answered>;
  /** `query` comes behind the field manager: `&force=true`. */
  apply(path: string, manager: string, ...body: [body: unknown, query?: string]): Promise<Answered>;
}

export function applierOf(api: () => TestApiServer): Applier {
  const send = async (request: RawRequest): Promise<Answered> => {
    const { status, text } = await api().raw(request);
    return { status, body: JSON.parse(text) as Answered['body'] };
  };
  return {
    send,
    apply: (path, manager, ...[body, query = '']) =>
      send({ method: 'PATCH', path: `${path}?fieldManager=${manager}${query}`, contentType: APPLY_TYPE, body }),
  };
}

export function configMap(name: string, data: Record<string, string>, metadata: Record<string, unknown> = {}): Record<string, unknown> {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data };
}

/** `manager/operation` of each entry, with its subresource. */
export function managersOf({ metadata }: KubeObject): string[] {
  return (metadata.managedFields ?? []).map(({ manager, operation, subresource }) => {
    return `${manager}/${operation}${subresource === undefined ? '' : `/${subresource}`}`;
  });
}

export function entryOf(object: KubeObject, manager: string): ManagedFieldsEntry | undefined {
  return object.metadata.managedFields?.find((entry) => entry.manager === manager);
}
