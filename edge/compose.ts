/** Owns the composition of edgecore: which module gets which port. Everything that knows several rooms is here. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Bus } from '#beehive/bus.ts';
import type { Committer } from '#beehive/commit.ts';
import type { Config } from '#beehive/config.ts';
import { createMemoryTrim } from '#beehive/memory-trim.ts';
import type { Module } from '#beehive/module.ts';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { createMappers, type Mappers } from '../mappers/mappers.ts';
import { divide, type Divided } from '../mappers/third-party/divide.ts';
import { createBroker, type Broker } from './broker/broker.ts';
import type { settings } from './config.ts';
import { DeviceTwin } from './devicetwin/devicetwin.ts';
import type { EdgeOptions } from './edgecore.ts';
import { doorOf } from './edgehub/certificate-door.ts';
import { CertificateRenewal } from './edgehub/certificate-renewal.ts';
import type { CredentialFiles } from './edgehub/credential-files.ts';
import { EdgeHub, type EdgeHubOptions } from './edgehub/edgehub.ts';
import { UploadQueue } from './edgehub/upload-queue.ts';
import { NodeStatus } from './edged/node-status.ts';
import { parseTaint } from './taints-config.ts';
import { EventBus } from './eventbus/eventbus.ts';
import type { ExternalMqtt } from './eventbus/external-client.ts';
import { mapperOptions, secretsFolder } from './mapper-options.ts';
import { MetaManager } from './metamanager/metamanager.ts';
import type { StoredObjects } from './metamanager/stored-objects.ts';
import { brokerSettings, createExternal, embeddedSide, externalSide } from './mqtt-sides.ts';
import { createSecretReferences } from './secret-references.ts';
import { brokerModule, externalModule, lastSeenModule, storeEvents, storeModule } from './service-modules.ts';
import type { EdgeDatabase } from './store/database.ts';
import { createCommitter } from './store/group-commit.ts';
import { createMetaTable, createSubTopicTable, type MetaTable } from './store/meta-table.ts';
import { createObjectVersionTable } from './store/object-versions.ts';
import { createTwinTable } from './store/twin-table.ts';
import { createUploadTable } from './store/upload-table.ts';
import { HIVELET_VERSION, NODE_VERSION } from './version.ts';

/** A connection that comes and goes leaves as much to collect as this many changes. */
const CONNECTION_WORK = 20;

export type ComposeOptions = EdgeOptions & { node: string; path: string; database: EdgeDatabase };

export interface Parts {
  /** In start order. */
  modules: Module[];
  twin: DeviceTwin;
  broker: Broker;
  objects: StoredObjects;
  mappers: Mappers;
}

/** What most rooms share. */
interface Ground extends ComposeOptions {
  bus: Bus<BeehiveMessage>;
  committer: Committer;
  meta: MetaTable;
  /** Client id of the mapper host; nobody outside can take it. */
  hostName: string;
  /** Known before it is made: broker and twins hand it what they have. */
  eventbus: () => EventBus;
}

export function compose(options: ComposeOptions): Parts {
  const { config } = options;
  const { sqlite } = options.database;
  const ground = layGround(options, () => eventbus);
  const { committer } = ground;
  const { hub, certificates } = makeLink(ground, () => uploads.restart());
  const uploads = new UploadQueue({
    table: createUploadTable(sqlite, config.get('modules.edgeHub.uploads.maxBytes')),
    committer,
    link: hub,
  });
  const broker = makeBroker(ground);
  const external: ExternalMqtt | undefined = isExternal(config)
    ? createExternal(options, (message) => eventbus.ingestExternal(message, external?.others ?? new Set()))
    : undefined;
  const twin = makeTwin(ground, hub);
  const sides = [embeddedSide(broker.port('eventbus'), config), ...(external === undefined ? [] : [externalSide(external, config)])];
  const eventbus: EventBus = new EventBus({
    ...ground,
    topics: createSubTopicTable(sqlite),
    twin,
    uploads,
    sides,
    answer: answering(ground, hub),
  });
  const meta = new MetaManager({ ...ground, versions: createObjectVersionTable(sqlite), cloud: hub });
  const { ours, theirs } = divideDevices(ground, { broker, twin });
  const mappers = makeMappers(ground, { broker, devices: ours, objects: meta.objects });
  const wanted: (Module | false | undefined)[] = [
    config.get('modules.deviceTwin.enable') && twin,
    config.get('modules.metaManager.enable') && meta,
    config.get('modules.eventBus.enable') && eventbus,
    brokerModule(broker),
    external && externalModule(external),
    config.get('modules.mapperHost.enable') && mappers,
    theirs,
    config.get('modules.edged.enable') && makeStatus(ground, hub),
    ...(config.get('modules.edgeHub.enable') ? [hub, certificates] : []),
    lastSeenModule(twin),
    storeModule(committer),
    createMemoryTrim({
      collect: (globalThis as { gc?: () => void }).gc,
      work: () => committer.stats.jobs + CONNECTION_WORK * broker.stats().accepted,
    }),
  ];
  return { modules: wanted.filter((module): module is Module => typeof module === 'object'), twin, broker, objects: meta.objects, mappers };
}

function layGround(options: ComposeOptions, eventbus: () => EventBus): Ground {
  const { clock, database, path } = options;
  const { sqlite } = database;
  return {
    ...options,
    bus: new Bus<BeehiveMessage>(clock),
    committer: createCommitter({ sqlite, path, clock, ...storeEvents(options) }),
    meta: createMetaTable(sqlite),
    hostName: `mapper-host-${randomUUID()}`,
    eventbus,
  };
}

/** The link to the cloud, and the certificate that it stands on. */
function makeLink(ground: Ground, restartUploads: () => void): { hub: EdgeHub; certificates: CertificateRenewal } {
  const hub = makeHub(ground, {
    onConnected: (greeting) => {
      certificates.connected(greeting);
      restartUploads();
    },
    onCertificateRefused: (how) => certificates.refused(how),
    onAuthorities: (message, cloud) => certificates.answer(message, cloud),
  });
  const certificates: CertificateRenewal = makeRenewal(ground, hub);
  return { hub, certificates };
}

type HubPorts = Pick<EdgeHubOptions, 'onConnected' | 'onCertificateRefused' | 'onAuthorities'>;

function makeHub({ config, dataDir, node, database, bus }: Ground, ports: HubPorts): EdgeHub {
  return new EdgeHub({
    bus,
    heartbeatMs: seconds(config, 'modules.edgeHub.heartbeat'),
    ...ports,
    servers: hubServers(config.get('modules.edgeHub.websocket.server')),
    socket: {
      projectId: config.get('modules.edgeHub.projectID'),
      node,
      storeUuid: database.storeUuid,
      ...credentialFiles(config, dataDir),
      handshakeTimeoutMs: seconds(config, 'modules.edgeHub.websocket.handshakeTimeout'),
    },
  });
}

function credentialFiles(config: Ground['config'], dataDir: string): CredentialFiles {
  const pki = (name: string): string => join(dataDir, 'edge', 'pki', name);
  return {
    caFile: config.get('modules.edgeHub.tlsCaFile') || pki('ca.crt'),
    certFile: config.get('modules.edgeHub.tlsCertFile') || pki('node.crt'),
    keyFile: config.get('modules.edgeHub.tlsPrivateKeyFile') || pki('node.key'),
  };
}

function makeRenewal({ config, dataDir, node }: Ground, link: EdgeHub): CertificateRenewal {
  const [server = ''] = hubServers(config.get('modules.edgeHub.websocket.server'));
  return new CertificateRenewal({
    node,
    files: credentialFiles(config, dataDir),
    door: doorOf(config.get('modules.edgeHub.httpServer'), server),
    link,
    renews: config.get('modules.edgeHub.rotateCertificates'),
  });
}

/** `host:port`, or several with commas. */
function hubServers(text: string): string[] {
  const servers = text
    .split(',')
    .map((server) => server.trim())
    .filter((server) => server !== '');
  return servers.length === 0 ? [text] : servers;
}

function makeBroker({ config, dataDir, clock, log, hostName, eventbus }: Ground): Broker {
  return createBroker({
    ...brokerSettings(config, dataDir),
    clock,
    log: log.child({ module: 'broker' }),
    ingest: (publish) => eventbus().ingest(publish, publish.clientId === hostName),
  });
}

function makeTwin({ config, node, database, bus, committer, meta, eventbus }: Ground, hub: EdgeHub): DeviceTwin {
  return new DeviceTwin({
    node,
    bus,
    committer,
    twins: createTwinTable(database.sqlite),
    meta,
    cloud: hub,
    publisher: { publish: (publication) => eventbus().publish(publication), wanted: (topic) => eventbus().wanted(topic) },
    strictValues: config.get('modules.deviceTwin.strictValues'),
    acceptCloudUpdated: config.get('modules.deviceTwin.acceptCloudUpdated'),
    versionBase: database.versionBase,
  });
}

/** Mappers of others get their list of devices from the same place as ours. */
function divideDevices({ config, eventbus }: Ground, { broker, twin }: Pick<Parts, 'broker' | 'twin'>): Divided {
  return divide({
    definitions: twin.definitions(),
    protocols: config.get('modules.mapperHost.thirdParty.protocols'),
    profileFile: config.get('modules.mapperHost.thirdParty.profileFile'),
    profileLayout: config.get('modules.mapperHost.thirdParty.profileLayout'),
    profileReaders: config.get('modules.mapperHost.thirdParty.profileReaders'),
    announce: config.get('modules.mapperHost.thirdParty.announce') ? (topic, payload) => eventbus().publish({ topic, payload }) : undefined,
    port: () => broker.port(`device-list-${randomUUID()}`, { asClient: true }),
  });
}

function makeMappers(
  { config, dataDir, hostName }: Ground,
  { broker, devices, objects }: Pick<Parts, 'broker' | 'objects'> & { devices: Divided['ours'] },
): Mappers {
  const [runtimeFolder = ''] = (process.env['RUNTIME_DIRECTORY'] ?? '').split(':');
  return createMappers({
    definitions: devices,
    port: () => broker.port(hostName, { asClient: true }),
    plugins: {
      ...mapperOptions(config, dataDir),
      secrets: createSecretReferences({ folder: secretsFolder(dataDir), secret: (name) => objects.get('secret', name) }),
    },
    placement: config.get('modules.mapperHost.placement'),
    version: HIVELET_VERSION,
    serviceFolder: runtimeFolder === '' ? join(dataDir, 'edge', 'mappers') : runtimeFolder,
    env: process.env,
  });
}

function makeStatus({ config, node, bus, dataDir }: Ground, hub: EdgeHub): NodeStatus {
  return new NodeStatus({
    node,
    dataDir,
    namespace: config.get('modules.edged.registerNodeNamespace'),
    nodeIp: config.get('modules.edged.nodeIP'),
    register: config.get('modules.edged.registerNode'),
    labels: config.get('modules.edged.labels'),
    annotations: config.get('modules.edged.annotations'),
    taints: config.get('modules.edged.taints').flatMap((text) => parseTaint(text) ?? []),
    frequencyMs: seconds(config, 'modules.edged.nodeStatusUpdateFrequency'),
    version: NODE_VERSION,
    bus,
    cloud: hub,
  });
}

function isExternal(config: Config<typeof settings>): boolean {
  return config.get('modules.eventBus.mqttMode') !== 0;
}

/** KubeEdge clouds expect no answer to messages of group user; ours does. */
function answering({ bus, clock, log }: Ground, hub: EdgeHub): (message: BeehiveMessage, fault?: string) => void {
  return (message, fault) => {
    if (hub.peer !== 'hivelet') return;
    const said = responseTo(message, clock.now(), fault === undefined ? {} : { operation: 'error', content: fault });
    bus.send(hub.name, said).catch((error: unknown) => log.debug('eventbus.answer.dropped', { error }));
  };
}

type SecondsKey = 'modules.edgeHub.heartbeat' | 'modules.edged.nodeStatusUpdateFrequency' | 'modules.edgeHub.websocket.handshakeTimeout';

function seconds(config: Config<typeof settings>, key: SecondsKey): number {
  return config.get(key) * 1000;
}
