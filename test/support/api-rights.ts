/** Owns an embedded API with users and without rights, for tests of who may do what. */
import * as assert from 'uvu/assert';
import { ADMIN_TOKEN, installDefinitions, startApiServer, type RawRequest, type TestApiServer } from './api-server.ts';

export interface Answer {
  status: number;
  message: string;
  body: { [field: string]: unknown; status: Record<string, unknown>; metadata: { resourceVersion: string } };
}

export interface Rule {
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
  verbs: string[];
}

export interface Requests {
  send(method: string, path: string, body?: unknown): Promise<Answer>;
  /** The status alone. */
  code(method: string, path: string, body?: unknown): Promise<number>;
}

export interface RightsWorld {
  readonly api: TestApiServer;
  ask(request: RawRequest): Promise<Answer>;
  /** As one of the users (the token is the name), or with any other token. */
  as(token: string, headers?: Record<string, string>): Requests;
  /** Must succeed. */
  admin(method: string, path: string, body?: unknown): Promise<void>;
  /** Binds `rules` to a user in a namespace, or everywhere. Answers the way to take it back. */
  grant(user: string, rules: Rule[], namespace?: string): Promise<() => Promise<void>>;
}

export const RBAC = '/apis/rbac.authorization.k8s.io/v1';
export const DEVICES = '/apis/devices.kubeedge.io/v1alpha2/namespaces/default/devices';
export const maps = (namespace: string): string => `/api/v1/namespaces/${namespace}/configmaps`;

/** Users of the group `people`; namespaces `default` and `hall` with the ConfigMaps `a` and `b` each. */
export async function startRightsWorld(users: readonly string[]): Promise<RightsWorld> {
  const api = await startApiServer({ tokens: users.map((user) => ({ token: user, user, groups: ['people'] })) });
  await installDefinitions(api.client);
  const world = worldOn(api);
  await world.admin('POST', '/api/v1/namespaces', { metadata: { name: 'hall' } });
  for (const namespace of ['default', 'hall']) {
    for (const name of ['a', 'b']) await world.admin('POST', maps(namespace), { metadata: { name } });
  }
  return world;
}

function worldOn(api: TestApiServer): RightsWorld {
  let grants = 0;
  const ask = async (request: RawRequest): Promise<Answer> => {
    const { status, text } = await api.raw(request);
    const body = (text.startsWith('{') && !text.startsWith('{"type"') ? JSON.parse(text) : {}) as Answer['body'];
    return { status, body, message: String(body['message'] ?? text) };
  };
  const as: RightsWorld['as'] = (token, headers = {}) => {
    const send: Requests['send'] = (method, path, body) => {
      const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      // A watch that is allowed, where it should not be, is not waited for.
      const some = path.includes('watch') ? { enough: () => true } : {};
      return ask({ method, path, token, headers, ...some, ...(body === undefined ? {} : { body, contentType }) });
    };
    return { send, code: async (...args) => (await send(...args)).status };
  };
  const admin: RightsWorld['admin'] = async (method, path, body) => {
    const { status, message } = await as(ADMIN_TOKEN).send(method, path, body);
    assert.ok(status < 300, `${method} ${path}: ${message}`);
  };
  const grant: RightsWorld['grant'] = async (user, rules, namespace) => {
    const name = `${user}-${String((grants += 1))}`;
    const [home, kind] = namespace === undefined ? [`${RBAC}/cluster`, 'ClusterRole'] : [`${RBAC}/namespaces/${namespace}/`, 'Role'];
    await admin('POST', `${home}roles`, { metadata: { name }, rules });
    await admin('POST', `${home}rolebindings`, { metadata: { name }, roleRef: { kind, name }, subjects: [{ kind: 'User', name: user }] });
    return async () => {
      await admin('DELETE', `${home}rolebindings/${name}`);
      await admin('DELETE', `${home}roles/${name}`);
    };
  };
  return { api, ask, as, admin, grant };
}
