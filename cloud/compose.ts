/** Owns which module of cloudcore gets which port, and the order in which they start: everything that knows several rooms. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import type { Config } from '#beehive/config.ts';
import type { Logger } from '#beehive/log.ts';
import { createMemoryTrim } from '#beehive/memory-trim.ts';
import type { Health, Module } from '#beehive/module.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { Admission, type AdmissionOptions } from './admission/admission.ts';
import { covers, placementOf } from './admission/placement.ts';
import { CloudHub, type CloudHubOptions } from './cloudhub/cloudhub.ts';
import type { HttpsService } from './cloudhub/https-service.ts';
import type { NodeHandlers } from './cloudhub/node-link.ts';
import type { NewUpload, UploadStore } from './cloudhub/upload-store.ts';
import type { settings } from './config.ts';
import { DeviceController, type DeviceControllerOptions } from './devicecontroller/devicecontroller.ts';
import { Downstream } from './edgecontroller/downstream/downstream.ts';
import { ObjectTalk } from './edgecontroller/downstream/object-talk.ts';
import { EdgeController, type EdgeControllerOptions } from './edgecontroller/edgecontroller.ts';
import { joiningOf, oldestTlsOf, type Joining } from './joining.ts';
import type { AuthoritySite, ServerTls } from './pki/authority-site.ts';
import { cloudFiles, readBundle } from './pki/init.ts';
import type { Rotation } from './enrolment/rotation.ts';
import type { KubeApi } from './store/kube-api.ts';
import { LeaderElection } from './store/kubeconfig/leader-election.ts';
import { SyncController } from './synccontroller/synccontroller.ts';

/** Where the things of cloudcore itself are. */
const NAMESPACE = 'kubeedge';
const LEASE = 'cloudcore';
const OTHER_CLUSTER = 'the Kubernetes API is that of another cluster now';
const CRD_FOLDER = join(import.meta.dirname, '../device-models/crds');

export interface CloudHealth {
  ok: boolean;
  modules: Record<string, Health>;
}

export interface CloudModules {
  hub: CloudHub;
  https: HttpsService;
  devices: DeviceController;
  /** In the order in which they start. */
  modules: Module[];
}

export interface CloudParts {
  config: Config<typeof settings>;
  dataDir: string;
  clock: Clock;
  log: Logger;
  api: KubeApi;
  /** The same API without the bound on requests: the lead must not be lost, nor a writer kept waiting, because others wait in line. */
  urgentApi: KubeApi;
  uploads: UploadStore;
  health: () => CloudHealth;
  /** URL of the API. */
  server: string;
  /** All that somebody dials. */
  advertise: readonly string[];
  /** Where the API is served from this process: it takes over what its files say now. */
  refreshApi?: () => Promise<void>;
  /** Where the API is served from this process. */
  serveWebhook?: NonNullable<AdmissionOptions['serveLocally']>;
  find?: AdmissionOptions['find'];
}

/** Nothing is started yet. Throws CONFIG_INVALID for a certificate file that cannot be read. */
export async function compose(options: CloudParts): Promise<CloudModules> {
  const { config, clock, uploads } = options;
  const identity = `${hostname()}_${randomUUID()}`;
  const election = electionOf(options, identity);
  const joining = await joiningOf(options, {
    leads: election.leads,
    recheck: (node) => hub.recheck(node),
    endLink: (node, reason) => hub.endLink(node, reason),
    endLinks: (reason) => hub.dropLinks(reason),
    useTls: (now) => hub.useTls(now),
  });
  const { certificates, https, rotation, tls, site } = joining;
  const nodes: EdgeController = nodesOf(options, {
    identity,
    leads: election.leads,
    deleted: (node, uid) => certificates.nodeDeleted(node, uid),
    moved: (node, to) => hub.endLink(node, `served by ${to}`),
    dutyChanged: (node, afresh) => devices.dutyChanged(node, afresh),
    wanted: (node, key) => downstream.look(node, key).state === 'wanted',
  });
  const devices: DeviceController = devicesOf(options, nodes, {
    names: (...named) => downstream.names(...named),
    dropLinks: () => hub.dropLinks(),
    clusterChanged: () => [nodes, downstream, sync].forEach((module) => module.startAnew(OTHER_CLUSTER)),
  });
  const { downstream, sync, talk } = objectsOf(options, {
    leads: election.leads,
    clusterUid: () => devices.clusterUid,
    dropLinks: () => hub.dropLinks(),
  });
  const hub: CloudHub = new CloudHub({
    tls,
    ...hubSettings(config),
    clusterUid: () => (devices.ready && sync.ready && certificates.ready ? devices.clusterUid : undefined),
    revoked: (node, fingerprint) => certificates.refusal(node, fingerprint),
    admit: (link) => nodes.admit(link.node, link.signal),
    connected: (link) => {
      devices.connected(link);
      sync.connected(link);
      rotation.connected(link);
    },
    handlers: handlersOf({ rotation, nodes, devices, sync, talk, uploads, clock }),
    owns: ownershipOf(devices, downstream),
  });
  const admission = await admissionOf(options, { site, context: () => devices.reviewContext, leads: election.leads });
  return { hub, https, devices, modules: inOrder(config, { election, joining, devices, admission, nodes, downstream, sync, hub }) };
}

/** First what tells how far the start is: the next one waits for the API. */
function inOrder(
  config: CloudParts['config'],
  rooms: Record<'election' | 'devices' | 'nodes' | 'downstream' | 'sync' | 'hub', Module> & {
    joining: Joining;
    admission: [boolean, Module][];
  },
): Module[] {
  const keepsNodes = config.get('modules.edgeController.enable');
  const wanted: [boolean, Module][] = [
    [config.get('modules.cloudHub.https.enable'), rooms.joining.https],
    [true, rooms.election],
    ...rooms.joining.modules,
    [config.get('modules.deviceController.enable'), rooms.devices],
    ...rooms.admission,
    [keepsNodes, rooms.nodes],
    [keepsNodes, rooms.downstream],
    [keepsNodes, rooms.sync],
    [config.get('modules.cloudHub.enable'), rooms.hub],
    [true, memoryOf()],
  ];
  return wanted.flatMap(([enabled, module]) => (enabled ? [module] : []));
}

/** Counted is processor time in ms: less than 2 % of a core is quiet; what keeps it busier than that would fill the memory again at once. */
function memoryOf(): Module {
  return createMemoryTrim({
    collect: (globalThis as { gc?: () => void }).gc,
    work: () => process.cpuUsage().user / 1000,
    quiet: 200,
    burst: 1000,
  });
}

function hubSettings(
  config: CloudParts['config'],
): Pick<CloudHubOptions, 'listen' | 'oldestTls' | 'nodeLimit' | 'keepaliveLimitMs' | 'writeLimitMs' | 'allowUnbound'> {
  return {
    listen: { host: config.get('modules.cloudHub.websocket.address'), port: config.get('modules.cloudHub.websocket.port') },
    oldestTls: oldestTlsOf(config),
    nodeLimit: config.get('modules.cloudHub.nodeLimit'),
    keepaliveLimitMs: config.get('modules.cloudHub.keepaliveInterval') * 1000,
    writeLimitMs: config.get('modules.cloudHub.writeTimeout') * 1000,
    allowUnbound: config.get('modules.cloudHub.allowUnboundCertificates'),
  };
}

/** What belongs to which node, as the controllers know it. */
function ownershipOf(devices: DeviceController, downstream: Downstream): CloudHubOptions['owns'] {
  return {
    device: (node, id) => devices.binds(node, id),
    object: (node, key) => downstream.uses(node, key),
    podElsewhere: (node, pod) => (downstream.nodeOf(pod) ?? node) !== node,
  };
}

/** Which room takes which message of a node. */
function handlersOf(rooms: {
  rotation: Rotation;
  nodes: EdgeController;
  devices: DeviceController;
  sync: SyncController;
  talk: ObjectTalk;
  uploads: UploadStore;
  clock: Clock;
}): NodeHandlers {
  const { rotation, nodes, devices, sync, talk, uploads, clock } = rooms;
  return {
    device: (link, message) => devices.receive(link, message),
    node: (link, message) => nodes.receive(link, message),
    object: (link, message) => talk.receive(link, message),
    held: (link, message) => sync.receive(link, message),
    certificate: (link, message) => rotation.receive(link, message),
    heard: (node) => nodes.heard(node),
    upload: (link, message, stored) => uploads.append(uploadOf(link.node, message, clock.now()), stored),
  };
}

function devicesOf(
  { api, config }: CloudParts,
  nodes: EdgeController,
  ports: Pick<DeviceControllerOptions, 'dropLinks' | 'clusterChanged' | 'names'>,
): DeviceController {
  const duties = config.get('modules.edgeController.enable')
    ? { duties: { of: (node: string | undefined) => nodes.duty(node), confirm: (node: string | undefined) => nodes.confirm(node) } }
    : {};
  return new DeviceController({ api, ...duties, definitions: CRD_FOLDER, ...ports });
}

/** What goes down to nodes besides devices, and what nodes ask of it. */
function objectsOf(
  { config, api, clock, log }: CloudParts,
  ports: { leads: () => boolean; clusterUid: () => string | undefined; dropLinks: () => void },
): { downstream: Downstream; sync: SyncController; talk: ObjectTalk } {
  const downstream: Downstream = new Downstream({
    api,
    changed: (node, key) => sync.changed(node, key),
    nodeChanged: (node, isEdge) => sync.nodeChanged(node, isEdge),
  });
  const sync: SyncController = new SyncController({
    api,
    source: downstream,
    compares: config.get('modules.syncController.enable'),
    writesPerSecond: config.get('modules.syncController.writesPerSecond'),
    ...ports,
  });
  return { downstream, sync, talk: new ObjectTalk({ api, clock, log: log.child({ module: 'downstream' }), source: downstream }) };
}

/** Not where it could not be reached anyway. */
async function admissionOf(
  { config, dataDir, urgentApi: api, server, log, serveWebhook, find }: CloudParts,
  { site, ...ports }: Pick<AdmissionOptions, 'context' | 'leads'> & { site: AuthoritySite },
): Promise<[boolean, Module][]> {
  if (!config.get('modules.admission.enable') || !config.get('modules.deviceController.enable')) return [];
  const address = config.get('modules.admission.address');
  const advertise = config.get('modules.cloudHub.advertiseAddress');
  const placement = placementOf({ address, service: config.get('modules.admission.service'), server, advertise });
  if ('reason' in placement) {
    log.info('admission.off', { reason: placement.reason });
    return [];
  }
  // What the configuration names may be a certificate for boards only; our own one has the name in it.
  const fitting = async (tls: ServerTls): Promise<ServerTls> => (covers(tls.cert, placement.name) ? tls : readOwnTls(dataDir));
  const admission = new Admission({
    api,
    listen: { host: address, port: config.get('modules.admission.port') },
    tls: await fitting(await site.tls()),
    ...ports,
    ...placement,
    ...(serveWebhook === undefined ? {} : { serveLocally: serveWebhook }),
    find,
  });
  site.onChange(async (now) => admission.useTls(await fitting(now)));
  return [[true, admission]];
}

async function readOwnTls(dataDir: string): Promise<ServerTls> {
  const { hub } = cloudFiles(dataDir);
  const [cert = '', key = ''] = await Promise.all([hub.certificate, hub.key].map((file) => readFile(file, 'utf8')));
  return { ca: await readBundle(dataDir), cert, key };
}

type NodePorts = Required<Pick<EdgeControllerOptions, 'identity' | 'leads' | 'moved' | 'dutyChanged' | 'wanted' | 'deleted'>>;

function nodesOf({ config, api, urgentApi: leaseApi }: CloudParts, ports: NodePorts): EdgeController {
  // Beside `qps`, not within it. With more nodes than this allows they renew more rarely, but each of them within 20 s.
  const renewalsPerSecond = Math.max(config.get('kubeAPIConfig.qps') / 2, config.get('modules.cloudHub.nodeLimit') / 20);
  return new EdgeController({ api, leaseApi, renewalsPerSecond, ...ports });
}

/** Where one of several replicas has to be alone, it asks `election.leads`. */
function electionOf({ urgentApi: api, clock, log }: CloudParts, identity: string): LeaderElection {
  return new LeaderElection({ api, clock, log: log.child({ module: 'leaderelection' }), identity, namespace: NAMESPACE, name: LEASE });
}

/** Payloads of our edges that are no text come as base64; whatever else is no text is kept as JSON. */
function uploadOf(node: string, { header, route, content }: BeehiveMessage, receivedMs: number): NewUpload {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const payload = Buffer.from(text, header.encoding === 'base64' ? 'base64' : 'utf8');
  return { node, id: header.msg_id, topic: route.resource, payload, receivedMs };
}
