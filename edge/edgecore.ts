/** Owns the composition of edgecore: which module gets which port, and in which order they start. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bus } from '#beehive/bus.ts';
import type { Committer } from '#beehive/commit.ts';
import type { Clock, Timer } from '#beehive/clock.ts';
import type { Config } from '#beehive/config.ts';
import { openControlSocket, type HealthReport } from '#beehive/control-socket.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { createMemoryTrim } from '#beehive/memory-trim.ts';
import type { Module } from '#beehive/module.ts';
import { Supervisor } from '#beehive/supervisor.ts';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { createBroker, type Broker } from './broker/broker.ts';
import type { BrokerPort } from './broker/port.ts';
import { defaultNodeName, type settings } from './config.ts';
import { DeviceTwin } from './devicetwin/devicetwin.ts';
import { EdgeHub } from './edgehub/edgehub.ts';
import { UploadQueue } from './edgehub/upload-queue.ts';
import { NodeStatus } from './edged/node-status.ts';
import { EventBus, type Incoming, type MqttSide } from './eventbus/eventbus.ts';
import { ExternalMqtt } from './eventbus/external-client.ts';
import { createMapperHost } from '../mappers/host/mapper-host.ts';
import { createPlugins } from '../mappers/index.ts';
import { readLocalDevices } from './local-devices.ts';
import { MetaManager } from './metamanager/metamanager.ts';
import { openDatabase } from './store/database.ts';
import { createCommitter } from './store/group-commit.ts';
import { createMetaTable, createSubTopicTable } from './store/meta-table.ts';
import { createTwinTable } from './store/twin-table.ts';
import { createUploadTable } from './store/upload-table.ts';
import { NODE_VERSION } from './version.ts';

export interface EdgeOptions {
  config: Config<typeof settings>;
  dataDir: string;
  clock: Clock;
  log: Logger;
  /** `NAME:N`. */
  seed?: string | undefined;
}

export interface Edge {
  readonly node: string;
  /** Addresses that are served. */
  readonly mqtt: readonly string[];
  health(): HealthReport;
  stop(): Promise<void>;
}

const LAST_SEEN_MS = 60_000;

export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { config, dataDir, clock, log } = options;
  checkConfig(config);
  const node = config.get('modules.edged.hostnameOverride') || defaultNodeName();
  const path = config.get('database.dataSource') || join(dataDir, 'edge', 'edgecore.db');
  const database = openDatabase(path, log);
  const supervisor = new Supervisor({ clock, log });
  try {
    const parts = compose({ ...options, node, database, path });
    await supervisor.start(parts.modules);
    const local = await readLocalDevices(join(dataDir, 'edge', 'devices.d'), log);
    const seeded = [...local, ...(options.seed === undefined ? [] : seeds(options.seed))];
    if (seeded.length > 0 && config.get('modules.deviceTwin.enable')) await parts.twin.seed(seeded);
    const control = await openControlSocket({
      path: join(dataDir, 'edge', 'control.sock'),
      tcp: config.get('modules.control.listen'),
      report: () => supervisor.health(),
    });
    const mqtt = parts.broker.listeners.map((listener) => listener.address);
    log.info('edgecore.board', boardFacts());
    log.info('edgecore.ready', { node, mqtt, version: NODE_VERSION, pid: process.pid });
    return {
      node,
      mqtt,
      health: () => supervisor.health(),
      stop: async () => {
        await control.close();
        await supervisor.stop();
        database.close();
      },
    };
  } catch (error) {
    await supervisor.stop();
    database.close();
    throw error;
  }
}

/** The launcher has recognised the board and given node its flags; here they are only told. */
function boardFacts(): Record<string, unknown> {
  let model = '';
  try {
    model = readFileSync('/proc/device-tree/model', 'utf8').replaceAll('\0', '').trim();
  } catch {
    // Only machines with a device tree have it.
  }
  return { board: process.env['HIVELET_BOARD_ID'] ?? 'unknown: not started by bin/hivelet', model, nodeFlags: process.execArgv };
}

/** Faults that no single setting shows. */
function checkConfig(config: Config<typeof settings>): void {
  if (config.get('modules.edgeHub.enable') && !config.get('modules.edgeHub.websocket.enable')) {
    throw new HiveletError(
      'CONFIG_INVALID',
      'modules.edgeHub.websocket.enable is false, but websocket is the only transport: set it to true, or modules.edgeHub.enable to false',
    );
  }
  const mode = config.get('modules.eventBus.mqttMode');
  if (mode === 1 && internalAddress(config) === config.get('modules.eventBus.mqttServerExternal')) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `modules.eventBus.mqttServerInternal and mqttServerExternal are both ${internalAddress(config)}: give the embedded broker another port`,
    );
  }
}

/** 1883 is the external broker's in modes 1 and 2, so ours moves to 1884 unless told otherwise. */
function internalAddress(config: Config<typeof settings>): string {
  const moved = config.get('modules.eventBus.mqttMode') !== 0 && !config.isSet('modules.eventBus.mqttServerInternal');
  return moved ? 'tcp://127.0.0.1:1884' : config.get('modules.eventBus.mqttServerInternal');
}

/** `bench-dev-:100` -> bench-dev-1 .. bench-dev-100. */
function seeds(spec: string): { id: string; twins: ReadonlyMap<string, string> }[] {
  const match = /^([a-z0-9]([-a-z0-9.]*)?):(\d{1,5})$/.exec(spec);
  const count = Number(match?.[3] ?? 0);
  if (match?.[1] === undefined || count === 0)
    throw new HiveletError('USAGE', `--seed-devices ${spec}: write it as NAME:N, for instance bench-dev-:100`);
  const prefix = match[1];
  return Array.from({ length: count }, (_, index) => ({ id: `${prefix}${String(index + 1)}`, twins: new Map([['temperature', 'float']]) }));
}

interface Parts {
  modules: Module[];
  twin: DeviceTwin;
  broker: Broker;
}

type ComposeOptions = EdgeOptions & { node: string; path: string; database: ReturnType<typeof openDatabase> };

/** Everything that knows several rooms is here. */
function compose(options: ComposeOptions): Parts {
  const { config, dataDir, clock, log, node, database, path } = options;
  const { sqlite, storeUuid, versionBase } = database;
  // Nobody outside can take this name for a client id.
  const hostName = `mapper-host-${randomUUID()}`;
  const committer = createCommitter({ sqlite, path, clock, ...storeEvents(options) });
  const bus = new Bus<BeehiveMessage>(clock);
  const meta = createMetaTable(sqlite);
  const seconds = (
    key: 'modules.edgeHub.heartbeat' | 'modules.edged.nodeStatusUpdateFrequency' | 'modules.edgeHub.websocket.handshakeTimeout',
  ): number => config.get(key) * 1000;
  const pki = (name: string): string => join(dataDir, 'edge', 'pki', name);

  const hub = new EdgeHub({
    bus,
    heartbeatMs: seconds('modules.edgeHub.heartbeat'),
    onConnected: () => uploads.restart(),
    socket: {
      server: config.get('modules.edgeHub.websocket.server'),
      projectId: config.get('modules.edgeHub.projectID'),
      node,
      storeUuid,
      caFile: config.get('modules.edgeHub.tlsCaFile') || pki('ca.crt'),
      certFile: config.get('modules.edgeHub.tlsCertFile') || pki('node.crt'),
      keyFile: config.get('modules.edgeHub.tlsPrivateKeyFile') || pki('node.key'),
      handshakeTimeoutMs: seconds('modules.edgeHub.websocket.handshakeTimeout'),
    },
  });
  const uploads = new UploadQueue({
    table: createUploadTable(sqlite, config.get('modules.edgeHub.uploads.maxBytes')),
    committer,
    link: hub,
  });
  const broker = createBroker({
    clock,
    log: log.child({ module: 'broker' }),
    listeners:
      config.get('modules.eventBus.enable') && config.get('modules.eventBus.mqttMode') !== 2 ? [{ address: internalAddress(config) }] : [],
    allowInsecure: config.get('modules.eventBus.allowInsecure'),
    ingest: (publish) => eventbus.ingest(publish, publish.clientId === hostName),
    limits: { queueMessages: config.get('modules.eventBus.mqttSessionQueueSize') },
    store: join(dataDir, 'edge', 'mqtt.db'),
  });
  const external =
    config.get('modules.eventBus.mqttMode') === 0 ? undefined : createExternal(options, (message) => eventbus.ingestExternal(message));
  const twin = new DeviceTwin({
    node,
    bus,
    committer,
    twins: createTwinTable(sqlite),
    meta,
    cloud: hub,
    publisher: { publish: (publication) => eventbus.publish(publication), wanted: (topic) => eventbus.wanted(topic) },
    strictValues: config.get('modules.deviceTwin.strictValues'),
    acceptCloudUpdated: config.get('modules.deviceTwin.acceptCloudUpdated'),
    versionBase,
  });
  const sides = [embeddedSide(broker.port('eventbus'), config), ...(external === undefined ? [] : [externalSide(external, config)])];
  const answer = (message: BeehiveMessage, fault?: string): void => {
    if (hub.peer !== 'hivelet') return;
    const said = responseTo(message, clock.now(), fault === undefined ? {} : { operation: 'error', content: fault });
    bus.send(hub.name, said).catch((error: unknown) => log.debug('eventbus.answer.dropped', { error }));
  };
  const eventbus: EventBus = new EventBus({ node, bus, committer, topics: createSubTopicTable(sqlite), twin, uploads, sides, answer });
  const host = createMapperHost({
    definitions: twin.definitions(),
    mqtt: broker.port(hostName, { asClient: true }),
    plugins: createPlugins({
      modbus: { allowedSerialPorts: config.get('modules.mapperHost.allowedSerialPorts') },
      iio: { sysfsRoot: config.get('modules.mapperHost.sysfsRoot') },
    }),
  });
  const status = new NodeStatus({
    node,
    namespace: config.get('modules.edged.registerNodeNamespace'),
    nodeIp: config.get('modules.edged.nodeIP'),
    register: config.get('modules.edged.registerNode'),
    labels: config.get('modules.edged.labels'),
    annotations: config.get('modules.edged.annotations'),
    frequencyMs: seconds('modules.edged.nodeStatusUpdateFrequency'),
    version: NODE_VERSION,
    bus,
    cloud: hub,
  });
  const modules: (Module | false | undefined)[] = [
    config.get('modules.deviceTwin.enable') && twin,
    config.get('modules.metaManager.enable') && new MetaManager({ bus, meta, committer, peerIsOurs: () => hub.peer === 'hivelet' }),
    config.get('modules.eventBus.enable') && eventbus,
    brokerModule(broker),
    external && externalModule(external),
    config.get('modules.mapperHost.enable') && host,
    config.get('modules.edged.enable') && status,
    config.get('modules.edgeHub.enable') && hub,
    lastSeenModule(twin),
    storeModule(committer),
    createMemoryTrim({ collect: (globalThis as { gc?: () => void }).gc, work: () => committer.stats.jobs }),
  ];
  return { modules: modules.filter((module): module is Module => typeof module === 'object'), twin, broker };
}

const STORE_QUIET_MS = 60_000;

/** One event when the store begins to fail and one when it works again, however many changes are refused; at most once a minute. */
function storeEvents({ log, clock }: EdgeOptions): { onFailure: (error: HiveletError) => void; onRecovery: () => void } {
  let told = false;
  let quietUntil = -Infinity;
  return {
    onFailure: (error) => {
      if (told || clock.monotonic() < quietUntil) return;
      told = true;
      quietUntil = clock.monotonic() + STORE_QUIET_MS;
      log.error('store.failed', { code: error.code, error });
    },
    onRecovery: () => {
      if (told) log.info('store.recovered');
      told = false;
    },
  };
}

function createExternal({ config, clock, log }: EdgeOptions, handler: (message: Incoming) => Promise<void>): ExternalMqtt {
  const tls = config.get('modules.eventBus.eventBusTLS.enable');
  const username = config.get('modules.eventBus.mqttUsername');
  return new ExternalMqtt({
    clock,
    log: log.child({ module: 'external-mqtt' }),
    address: {
      url: config.get('modules.eventBus.mqttServerExternal'),
      ...(username === '' ? {} : { username, password: config.get('modules.eventBus.mqttPassword') }),
      ...(tls ? { tls: externalTls(config) } : {}),
    },
    handler,
  });
}

function externalTls(config: Config<typeof settings>): { ca: Buffer; cert: Buffer; key: Buffer } {
  const file = (key: 'tlsMqttCAFile' | 'tlsMqttCertFile' | 'tlsMqttPrivateKeyFile'): Buffer => {
    const path = config.get(`modules.eventBus.eventBusTLS.${key}`);
    try {
      return readFileSync(path);
    } catch (error) {
      throw new HiveletError(
        'CONFIG_INVALID',
        `modules.eventBus.eventBusTLS.${key}: cannot read ${JSON.stringify(path)}: ${messageOf(error)}`,
        { cause: error },
      );
    }
  };
  return { ca: file('tlsMqttCAFile'), cert: file('tlsMqttCertFile'), key: file('tlsMqttPrivateKeyFile') };
}

type QosSetting = 0 | 1 | 2;

function embeddedSide(port: BrokerPort, config: Config<typeof settings>): MqttSide {
  const qos = config.get('modules.eventBus.mqttQOS') as QosSetting;
  const retainAll = config.get('modules.eventBus.mqttRetain');
  return {
    publish: ({ topic, payload, retain }) => port.publish(topic, payload, { qos, retain: retain === true || retainAll }),
    // A retained message is for those who come later.
    wanted: (topic) => retainAll || port.wanted(topic),
    // The embedded broker shows its ingest every publish.
    subscribe: () => undefined,
    unsubscribe: () => undefined,
  };
}

function externalSide(external: ExternalMqtt, config: Config<typeof settings>): MqttSide {
  // KubeEdge publishes with QoS 1 there whatever is configured; a value that is set is honoured (defect M7).
  const qos = config.isSet('modules.eventBus.mqttQOS') ? (config.get('modules.eventBus.mqttQOS') as QosSetting) : 1;
  const retainAll = config.get('modules.eventBus.mqttRetain');
  return {
    publish: ({ topic, payload, retain }) => external.publish(topic, payload, { qos, retain: retain === true || retainAll }),
    wanted: () => true,
    subscribe: (filter) => external.subscribe(filter),
    unsubscribe: (filter) => external.unsubscribe(filter),
  };
}

function brokerModule(broker: Broker): Module {
  return {
    name: 'broker',
    start: () => broker.start(),
    stop: () => broker.close(),
    health: () => {
      const { clients, sessions, retained, dropped } = broker.stats();
      return {
        ok: true,
        detail: `${String(clients)} clients, ${String(sessions)} sessions, ${String(retained)} retained, ${String(dropped)} dropped`,
      };
    },
  };
}

function externalModule(external: ExternalMqtt): Module {
  return { name: 'external-mqtt', start: () => external.start(), stop: () => external.stop(), health: () => external.health() };
}

/** A ticker: devices that were heard, once a minute. */
function lastSeenModule(twin: DeviceTwin): Module {
  let timer: Timer | undefined;
  return {
    name: 'last-seen',
    start: ({ clock }) => {
      const tick = (): void => {
        timer = clock.timer(LAST_SEEN_MS, () => {
          twin.tellLastSeen();
          tick();
        });
      };
      tick();
      return Promise.resolve();
    },
    stop: () => {
      timer?.cancel();
      return Promise.resolve();
    },
    health: () => ({ ok: true }),
  };
}

/** Tells how well the grouping works. */
function storeModule(committer: Committer): Module {
  return {
    name: 'store',
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    health: () => {
      const { batches, jobs, failures } = committer.stats;
      return { ok: true, detail: `${String(jobs)} changes in ${String(batches)} commits, ${String(failures)} failed` };
    },
  };
}
