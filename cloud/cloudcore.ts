/** Owns the life of cloudcore: certificates, the API, the modules, and stopping all of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import type { Config } from '#beehive/config.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { Supervisor } from '#beehive/supervisor.ts';
import { UploadStore } from './cloudhub/upload-store.ts';
import { compose, type CloudHealth, type CloudModules, type CloudParts } from './compose.ts';
import type { settings } from './config.ts';
import { chooseApi, type ChosenApi } from './kube-access.ts';
import { initCloud } from './pki/init.ts';
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

export interface Cloud {
  /** `https://host:port` of the API in use. */
  readonly api: string;
  /** 0 when not served. */
  readonly hubPort: number;
  readonly httpsPort: number;
  health(): CloudHealth;
  stop(): Promise<void>;
}

/** Resolves when nodes may connect. Rejects, with everything closed again, when something cannot start or `signal` aborts. */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const { config, dataDir, clock, log, signal } = options;
  checkConfig(config);
  const advertise = addressesIn(config);
  const { outcomes } = await initCloud({ dataDir, advertise, clock });
  for (const { file, action, reason } of outcomes) if (action !== 'kept') log.info('pki.file', { file, action, reason });
  const chosen = await chooseApi({ config, dataDir, clock, log });
  const { qps, burst } = { qps: config.get('kubeAPIConfig.qps'), burst: config.get('kubeAPIConfig.burst') };
  const client = { access: chosen.access, clock, userAgent: `hivelet-cloudcore/${options.version}` };
  const api = new KubeClient({ ...client, qps, burst });
  const urgentApi = new KubeClient(client);
  const supervisor = new Supervisor({ clock, log });
  const open: { uploads?: UploadStore; started: boolean } = { started: false };
  const stop = async (): Promise<void> => {
    await supervisor.stop();
    open.uploads?.close();
    api.close();
    urgentApi.close();
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
    const parts = await compose({ ...options, ...served(chosen), api, urgentApi, advertise, health, uploads: open.uploads });
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

/** Where the API is, and what only one in this process can do. */
function served({ access, server, refresh }: ChosenApi): Pick<CloudParts, 'server' | 'serveWebhook' | 'find' | 'refreshApi'> {
  return {
    server: access.server,
    ...(server === undefined ? {} : { serveWebhook: server.webhooks.serve.bind(server.webhooks), find: server.find.bind(server) }),
    ...(refresh === undefined ? {} : { refreshApi: refresh }),
  };
}

/** All that somebody dials: boards the hub, an API server the webhook. */
function addressesIn(config: Config<typeof settings>): string[] {
  const boards = [...config.get('modules.cloudHub.advertiseAddress'), ...config.get('modules.cloudHub.dnsNames')];
  const [namespace = '', service = ''] = config.get('modules.admission.service').split('/');
  const address = config.get('modules.admission.address');
  const webhook = [service === '' ? '' : `${service}.${namespace}.svc`, ['0.0.0.0', '::'].includes(address) ? '' : address];
  return [...boards, ...webhook].filter((name) => name !== '');
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

function announce({ dataDir, log, version }: CloudOptions, { hub, https, devices }: CloudModules, { access }: ChosenApi) {
  const places = { api: access.server, hubPort: hub.port, httpsPort: https.port };
  // For programs of the same machine: ports may have been chosen by the system.
  writeFileSync(join(dataDir, 'cloud', 'endpoints.json'), `${JSON.stringify({ ...places, pid: process.pid })}\n`, { mode: 0o600 });
  log.info('cloudcore.ready', { ...places, cluster: devices.clusterUid, version, pid: process.pid });
  return places;
}
