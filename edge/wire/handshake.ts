/** Owns what the two sides say on the websocket upgrade: KubeEdge's three headers, and ours that old peers ignore. */

/** KubeEdge (reference/cloud-edge-transport.md section 2). */
export const headers = {
  nodeId: 'node_id',
  projectId: 'project_id',
  connectionUse: 'ConnectionUse',
  /** Ours, request and response: version of our protocol. Without it exact KubeEdge rules hold. */
  protocol: 'hivelet-protocol',
  /** Ours, request: uuid made with the edge database; a new one resets the order of reported values. */
  store: 'hivelet-store',
  /** Ours, request: the authorities that the edge trusts, by the SHA-256 of their DER form, with commas between them. It takes new ones. */
  trusts: 'hivelet-trusts',
  /** Ours, response: the wall clock of the cloud, unix ms. */
  time: 'hivelet-time',
  /** Ours, response: uid of Namespace kube-system. */
  cluster: 'hivelet-cluster',
  /** Ours, response: comma-separated list; `uploads` = the peer takes uploads, `objects` = it takes `objects/held`, `certificates` = it renews certificates. */
  features: 'hivelet-features',
} as const;

export const PROTOCOL_VERSION = '1';
export const DEFAULT_PROJECT_ID = 'e632aba927ea4ac2b575ec1603d56f10';
/** Unacknowledged frames in flight per direction between our two sides (DESIGN section 4). */
export const WINDOW = 32;
/** A frame that is not acknowledged for this long is sent again. */
export const ACK_TIMEOUT_MS = 10_000;
/** Largest frame either side takes. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;
