/** Owns the texts in `route`: sources, groups, operations and the resource grammar (reference/beehive-message.md sections 3 to 5). */

export const source = {
  edgehub: 'websocket',
  twin: 'twin',
  bus: 'bus',
  edged: 'edged',
  meta: 'metaManager',
  devicecontroller: 'devicecontroller',
  edgecontroller: 'edgecontroller',
  oldDeviceManager: 'edgemgr',
  cloudhub: 'cloudhub',
  routerEventbus: 'router_eventbus',
} as const;
export const group = { resource: 'resource', meta: 'meta', twin: 'twin', user: 'user', func: 'func' } as const;
export const operation = {
  insert: 'insert',
  update: 'update',
  delete: 'delete',
  query: 'query',
  get: 'get',
  response: 'response',
  error: 'error',
  upload: 'upload',
  keepalive: 'keepalive',
  publish: 'publish',
  subscribe: 'subscribe',
  unsubscribe: 'unsubscribe',
} as const;

export const membership = 'membership';
export const membershipDetail = 'membership/detail';
export const lastSeen = 'devices/last-seen';
/** Ours, up: which version of which object the edge has. */
export const objectsHeld = 'objects/held';
/** Ours, down: which authorities to trust, and whether to ask for another certificate now. Answered with what is trusted then. */
export const certificateAuthorities = 'certificates/authorities';
/** Ours, up: a request (PKCS#10, DER, base64) for the next certificate of the node itself. Answered with the certificate (DER, base64). */
export const certificateOfNode = 'certificates/node';

export const deviceResource = {
  cloudUpdated: (id: string): string => `device/${id}/twin/cloud_updated`,
  edgeUpdated: (id: string): string => `device/${id}/twin/edge_updated`,
  stateUpdate: (id: string): string => `device/${id}/state/update`,
};
export const nodeStatusResource = (namespace: string, node: string): string => `${namespace}/nodestatus/${node}`;
export const nodeResource = (namespace: string, node: string): string => `${namespace}/node/${node}`;

export type DeviceResource = { id: string; kind: 'cloud_updated' | 'edge_updated' | 'state' | 'attributes' };

/** Reads `device/<id>...`; undefined for anything else. */
export function parseDeviceResource(resource: string): DeviceResource | undefined {
  const [, id, rest] = /^device\/([^/]+)(.*)$/s.exec(resource) ?? [];
  if (id === undefined) return undefined;
  switch (rest) {
    case '/twin/cloud_updated':
      return { id, kind: 'cloud_updated' };
    case '/twin/edge_updated':
      return { id, kind: 'edge_updated' };
    case '/state/update':
      return { id, kind: 'state' };
    case '':
      return { id, kind: 'attributes' };
    default:
      return undefined;
  }
}
