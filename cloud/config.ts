/** Owns the settings of cloudcore: KubeEdge's names and defaults (reference/config.md section 2), and ours. */
import { HiveletError } from '#beehive/errors.ts';
import type { ConfigSchema, Setting } from '#beehive/config.ts';

export const settings = [
  {
    path: 'kubeAPIConfig.kubeConfig',
    type: 'string',
    default: '',
    kubeedgeDefault: '/root/.kube/config',
    doc: 'kubeconfig of the cluster to work on; empty: the embedded API server',
    minimal: true,
  },
  { path: 'kubeAPIConfig.qps', type: 'int', default: 100, min: 1, unit: '1/s', doc: 'requests to the API over all controllers' },
  { path: 'kubeAPIConfig.burst', type: 'int', default: 200, min: 1, doc: 'requests that may go at once before qps counts' },
  {
    path: 'modules.apiServer.enable',
    type: 'boolean',
    default: true,
    doc: 'serve the Kubernetes API from this process, when kubeAPIConfig.kubeConfig names no other',
    minimal: true,
  },
  {
    path: 'modules.apiServer.listen',
    type: 'string',
    default: '127.0.0.1:6443',
    doc: 'address of the embedded API; TLS and the token of the kubeconfig are always needed',
    minimal: true,
  },
  { path: 'modules.apiServer.database', type: 'string', default: '', doc: 'folder of kubernetes.db; empty: <data-dir>/cloud' },
  {
    path: 'modules.apiServer.audit.enable',
    type: 'boolean',
    default: true,
    doc: 'record who changed what in the embedded API, in <data-dir>/cloud/audit.log',
  },
  {
    path: 'modules.apiServer.audit.maxSizeMiB',
    type: 'int',
    default: 10,
    min: 1,
    unit: 'MiB',
    doc: 'a larger audit.log becomes audit.log.1',
  },
  { path: 'modules.apiServer.audit.maxFiles', type: 'int', default: 5, min: 1, max: 100, doc: 'files of the audit log; the oldest goes' },
  {
    path: 'modules.apiServer.audit.controllers',
    type: 'boolean',
    default: false,
    doc: 'record leases, events and the reports of cloudcore too, which come every second',
  },
  { path: 'modules.cloudHub.enable', type: 'boolean', default: true, doc: 'take links from nodes' },
  {
    path: 'modules.cloudHub.advertiseAddress',
    type: 'strings',
    default: [],
    doc: 'addresses that boards dial: they get into the certificates',
    minimal: true,
  },
  { path: 'modules.cloudHub.dnsNames', type: 'strings', default: [], doc: 'names that boards dial: they get into the certificates' },
  {
    path: 'modules.cloudHub.allowUnboundCertificates',
    type: 'boolean',
    default: false,
    doc: 'any certificate of the CA may name any node: only for KubeEdge edges, whose certificates name none (their node is not proven then)',
  },
  {
    path: 'modules.cloudHub.keepaliveInterval',
    type: 'int',
    default: 30,
    min: 1,
    unit: 's',
    doc: 'a KubeEdge edge that sends no keepalive for so long is disconnected',
  },
  {
    path: 'modules.cloudHub.writeTimeout',
    type: 'int',
    default: 30,
    min: 1,
    unit: 's',
    doc: 'a node that takes nothing for so long is disconnected',
  },
  { path: 'modules.cloudHub.nodeLimit', type: 'int', default: 1000, min: 1, doc: 'nodes connected at once; further ones are refused' },
  {
    path: 'modules.cloudHub.tlsCAFile',
    type: 'string',
    default: '',
    doc: 'CA that node certificates are checked with; empty: <data-dir>/pki/ca.crt',
  },
  {
    path: 'modules.cloudHub.tlsCAKeyFile',
    type: 'string',
    default: '',
    doc: 'its key, with which boards that join get their certificates; empty: <data-dir>/pki/ca.key',
  },
  {
    path: 'modules.cloudHub.keadmToken',
    type: 'boolean',
    default: false,
    doc: 'keep a join token for any node in Secret kubeedge/tokensecret, a new one every 12 h, as keadm and KubeEdge edges expect it',
  },
  {
    path: 'modules.cloudHub.certificateGrace',
    type: 'int',
    default: 90,
    min: 0,
    max: 3650,
    unit: 'days',
    doc: 'for so long after its end the certificate of a board that was away still gets another one; after it the board joins again',
  },
  { path: 'modules.cloudHub.tlsCertFile', type: 'string', default: '', doc: "the hub's certificate; empty: <data-dir>/pki/hub.crt" },
  { path: 'modules.cloudHub.tlsPrivateKeyFile', type: 'string', default: '', doc: 'its key; empty: <data-dir>/pki/hub.key' },
  {
    path: 'modules.cloudHub.minTLSVersion',
    type: 'string',
    default: 'TLSv1.3',
    oneOf: ['TLSv1.2', 'TLSv1.3'],
    doc: 'oldest TLS that boards may dial with, at the hub and for certificates; TLSv1.2 for edges that know no newer one',
  },
  { path: 'modules.cloudHub.websocket.enable', type: 'boolean', default: true, doc: 'the only transport' },
  { path: 'modules.cloudHub.websocket.address', type: 'string', default: '0.0.0.0', doc: 'address that nodes dial', minimal: true },
  { path: 'modules.cloudHub.websocket.port', type: 'int', default: 10000, min: 0, max: 65535, doc: 'its port', minimal: true },
  { path: 'modules.cloudHub.https.enable', type: 'boolean', default: true, doc: 'CA certificate, health and uploads over HTTPS' },
  { path: 'modules.cloudHub.https.address', type: 'string', default: '0.0.0.0', doc: 'its address' },
  { path: 'modules.cloudHub.https.port', type: 'int', default: 10002, min: 0, max: 65535, doc: 'its port', minimal: true },
  { path: 'modules.edgeController.enable', type: 'boolean', default: true, doc: 'keep Node objects' },
  { path: 'modules.deviceController.enable', type: 'boolean', default: true, doc: 'keep devices and twins' },
  {
    path: 'modules.admission.enable',
    type: 'boolean',
    default: true,
    doc: 'check devices and models when they are created or changed: a webhook that is installed in the API',
    minimal: true,
  },
  { path: 'modules.admission.address', type: 'string', default: '127.0.0.1', doc: 'address of the webhook server' },
  {
    path: 'modules.admission.port',
    type: 'int',
    default: 0,
    min: 0,
    max: 65535,
    doc: 'its port; 0: a free one, which is fine unless a Service or firewall has to name it',
  },
  {
    path: 'modules.admission.service',
    type: 'string',
    default: '',
    doc: 'namespace/name of the Service by which a cluster reaches it; its name gets into the certificate. Empty: by address',
  },
  {
    path: 'modules.syncController.enable',
    type: 'boolean',
    default: true,
    doc: 'compare every 5 s what nodes have acknowledged with what they are to have, and collect the ObjectSyncs of deleted nodes',
  },
  {
    path: 'modules.syncController.writesPerSecond',
    type: 'int',
    default: 50,
    min: 1,
    doc: 'ObjectSyncs written per second; what waits is only told again after a crash',
  },
] as const satisfies readonly Setting[];

export const cloudSchema = {
  kind: 'CloudCore',
  apiVersion: 'cloudcore.config.hivelet.dev/v1alpha1',
  kubeedgeApiVersions: ['cloudcore.config.kubeedge.io/v1alpha1', 'cloudcore.config.kubeedge.io/v1alpha2'],
  settings,
  unsupported: [
    'commonConfig',
    'featureGates',
    'leaderElection',
    'kubeAPIConfig.master',
    'kubeAPIConfig.contentType',
    'modules.cloudHub.edgeCertSigningDuration',
    'modules.cloudHub.tokenRefreshDuration',
    'modules.cloudHub.authorization',
    'modules.cloudHub.quic',
    'modules.cloudHub.unixsocket',
    'modules.edgeController.nodeUpdateFrequency',
    'modules.edgeController.buffer',
    'modules.edgeController.load',
    'modules.edgeController.context',
    'modules.deviceController.buffer',
    'modules.deviceController.load',
    'modules.deviceController.context',
    'modules.dynamicController',
    'modules.cloudStream',
    'modules.router',
    'modules.iptablesManager',
    'modules.taskManager',
    'modules.nodeUpgradeJobController',
  ],
} satisfies ConfigSchema<typeof settings>;

/** `host:port` or `[v6]:port`. Throws CONFIG_INVALID. */
export function parseListen(text: string, path: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535) {
    throw new HiveletError('CONFIG_INVALID', `${path} is ${JSON.stringify(text)}: write it as address:port, for instance 127.0.0.1:6443`);
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '0.0.0.0' : host, port };
}
