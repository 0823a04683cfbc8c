/** Owns the composition of cloudcore: which module gets which port, and in which order they start. */
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import type { Config } from '#beehive/config.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Health, Module } from '#beehive/module.ts';
import { Supervisor } from '#beehive/supervisor.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { CloudHub } from './cloudhub/cloudhub.ts';
import { HttpsService } from './cloudhub/https-service.ts';
import { UploadStore, type NewUpload } from './cloudhub/upload-store.ts';
import type { settings } from './config.ts';
import { DeviceController } from './devicecontroller/devicecontroller.ts';
import { EdgeController } from './edgecontroller/edgecontroller.ts';
import { chooseApi, type ChosenApi } from './kube-access.ts';
import { cloudFiles, initCloud } from './pki/init.ts';
import type { KubeApi } from './store/kube-api.ts';
import { KubeClient } from './store/kubeconfig/client.ts';

export interface CloudOptions {
  config: Config<typeof settings>;
  dataDir: string;
  clock: Clock;
  log: Logger;
  /** Ends a start that still waits, for instance for an API that does not answer. */
  signal?: AbortSignal;
  version: string;
}

export interface CloudHealth {
  ok: boolean;
  modules: Record<string, Health>;
}

export interface Cloud {
  /** `https://host:port` of the API in use. */
  readonly api: string;
  /** 0 when not served. */
  readonly hubPort: number;
  readonly httpsPort: number;
  health(): CloudHealth;
  stop(): Promise<void>;
}

const CRD_FOLDER = join(import.meta.dirname, '../device-models/crds');

interface Parts {
  hub: CloudHub;
  https: HttpsService;
  devices: DeviceController;
  modules: Module[];
}

/** Resolves when nodes may connect. Rejects, with everything closed again, when something cannot start or `signal` aborts. */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { config, dataDir, clock, log, signal } = options;
  checkConfig(config);
  const advertise = [...config.get('modules.cloudHub.advertiseAddress'), ...config.get('modules.cloudHub.dnsNames')];
  const { outcomes } = await initCloud({ dataDir, advertise: advertise.filter((address) => address !== ''), clock });
  for (const { file, action, reason } of outcomes) if (action !== 'kept') log.info('pki.file', { file, action, reason });
  const chosen = await chooseApi({ config, dataDir, clock, log });
  const { qps, burst } = { qps: config.get('kubeAPIConfig.qps'), burst: config.get('kubeAPIConfig.burst') };
  const api = new KubeClient({ access: chosen.access, clock, qps, burst, userAgent: `hivelet-cloudcore/${options.version}` });
  const supervisor = new Supervisor({ clock, log });
  const open: { uploads?: UploadStore; started: boolean } = { started: false };
  const stop = async (): Promise<void> => {
    await supervisor.stop();
    open.uploads?.close();
    api.close();
    await chosen.server?.close();
  };
  const health = (): CloudHealth => {
    const { ok, modules } = supervisor.health();
    return { ok: ok && open.started, modules };
  };
  const abort = (): void => void supervisor.stop();
  try {
    signal?.throwIfAborted();
    open.uploads = new UploadStore({ file: join(dataDir, 'cloud', 'uploads.db'), log: log.child({ module: 'cloudhub' }) });
    const parts = await compose({ ...options, api, foreign: chosen.foreign, health, uploads: open.uploads });
    signal?.addEventListener('abort', abort, { once: true });
    await supervisor.start(parts.modules);
    open.started = true;
    return { ...announce(options, parts, chosen), health, stop };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Faults that no single setting shows. */
function checkConfig(config: Config<typeof settings>): void {
  for (const part of ['modules.deviceController.enable', 'modules.edgeController.enable', 'modules.cloudHub.websocket.enable'] as const) {
    if (config.get('modules.cloudHub.enable') && !config.get(part)) {
      throw new HiveletError(
        'CONFIG_INVALID',
        `${part} is false, but the hub needs it: set it to true, or modules.cloudHub.enable to false`,
      );
    }
  }
}

interface Ports {
  api: KubeApi;
  foreign: boolean;
  uploads: UploadStore;
  health: () => CloudHealth;
}

/** Everything that knows several rooms is here. */
async function compose(options: CloudOptions & Ports): Promise<Parts> {
  const { config, dataDir, api, foreign, clock, uploads, health } = options;
  const tls = await readTls(config, dataDir);
  const nodes = new EdgeController({ api, renewLeases: foreign });
  const devices = new DeviceController({
    api,
    definitions: CRD_FOLDER,
    dropLinks: () => hub.dropLinks(),
    clusterChanged: () => nodes.startAnew('the Kubernetes API is that of another cluster now'),
  });
  const hub: CloudHub = new CloudHub({
    listen: { host: config.get('modules.cloudHub.websocket.address'), port: config.get('modules.cloudHub.websocket.port') },
    tls,
    nodeLimit: config.get('modules.cloudHub.nodeLimit'),
    keepaliveLimitMs: config.get('modules.cloudHub.keepaliveInterval') * 1000,
    writeLimitMs: config.get('modules.cloudHub.writeTimeout') * 1000,
    allowUnbound: config.get('modules.cloudHub.allowUnboundCertificates'),
    clusterUid: () => (devices.ready ? devices.clusterUid : undefined),
    connected: (link) => devices.connected(link),
    handlers: {
      device: (link, message) => devices.receive(link, message),
      node: (link, message) => nodes.receive(link, message),
      heard: (node) => nodes.heard(node),
      upload: (link, message, stored) => uploads.append(uploadOf(link.node, message, clock.now()), stored),
    },
  });
  const https = new HttpsService({
    listen: { host: config.get('modules.cloudHub.https.address'), port: config.get('modules.cloudHub.https.port') },
    tls,
    adminToken: (await readFile(cloudFiles(dataDir).adminToken, 'utf8')).trim(),
    uploads,
    health,
  });
  const wanted: [boolean, Module][] = [
    // First what tells how far the start is: the next one waits for the API.
    [config.get('modules.cloudHub.https.enable'), https],
    [config.get('modules.deviceController.enable'), devices],
    [config.get('modules.edgeController.enable'), nodes],
    [config.get('modules.cloudHub.enable'), hub],
  ];
  return { hub, https, devices, modules: wanted.flatMap(([enabled, module]) => (enabled ? [module] : [])) };
}

function announce({ dataDir, log, version }: CloudOptions, { hub, https, devices }: Parts, { access }: ChosenApi) {
  const places = { api: access.server, hubPort: hub.port, httpsPort: https.port };
  // For programs of the same machine: ports may have been chosen by the system.
  writeFileSync(join(dataDir, 'cloud', 'endpoints.json'), `${JSON.stringify({ ...places, pid: process.pid })}\n`, { mode: 0o600 });
  log.info('cloudcore.ready', { ...places, cluster: devices.clusterUid, version, pid: process.pid });
  return places;
}

/** Files of the configuration win; a KubeEdge file that names none gets ours. Throws CONFIG_INVALID. */
async function readTls(config: Config<typeof settings>, dataDir: string): Promise<{ ca: string; cert: string; key: string }> {
  const files = cloudFiles(dataDir);
  const read = async (key: 'tlsCAFile' | 'tlsCertFile' | 'tlsPrivateKeyFile', own: string): Promise<string> => {
    const file = config.get(`modules.cloudHub.${key}`) || own;
    try {
      return await readFile(file, 'utf8');
    } catch (cause) {
      throw new HiveletError('CONFIG_INVALID', `cannot read ${file} (modules.cloudHub.${key}): ${messageOf(cause)}`, { cause });
    }
  };
  const [ca, cert, key] = await Promise.all([
    read('tlsCAFile', files.authority.certificate),
    read('tlsCertFile', files.hub.certificate),
    read('tlsPrivateKeyFile', files.hub.key),
  ]);
  return { ca, cert, key };
}

/** Payloads of our edges that are no text come as base64; whatever else is no text is kept as JSON. */
function uploadOf(node: string, { header, route, content }: BeehiveMessage, receivedMs: number): NewUpload {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  const payload = Buffer.from(text, header.encoding === 'base64' ? 'base64' : 'utf8');
  return { node, id: header.msg_id, topic: route.resource, payload, receivedMs };
}
