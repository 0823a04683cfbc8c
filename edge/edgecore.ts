/** Owns edgecore as a whole: checks that no single setting can make, start, stop, health. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#beehive/clock.ts';
import type { Config } from '#beehive/config.ts';
import { openControlSocket, type HealthReport } from '#beehive/control-socket.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { Supervisor } from '#beehive/supervisor.ts';
import { compose } from './compose.ts';
import { defaultNodeName, type settings } from './config.ts';
import { isOwnListener } from './eventbus/addresses.ts';
import { readLocalDevices } from './local-devices.ts';
import { mapperSettings } from './mapper-options.ts';
import type { StoredObjects } from './metamanager/stored-objects.ts';
import { internalAddress } from './mqtt-sides.ts';
import { makeSecretsFolder } from './secret-references.ts';
import { openDatabase } from './store/database.ts';
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
  /** Objects of the Kubernetes API that the cloud has sent. */
  readonly objects: StoredObjects;
  health(): HealthReport;
  stop(): Promise<void>;
}

export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { config, dataDir, clock, log } = options;
  checkConfig(config);
  const node = config.get('modules.edged.hostnameOverride') || defaultNodeName();
  const path = config.get('database.dataSource') || join(dataDir, 'edge', 'edgecore.db');
  const database = openDatabase(path, log);
  await makeSecretsFolder(join(dataDir, 'edge', 'secrets'));
  const supervisor = new Supervisor({ clock, log });
  try {
    const parts = compose({ ...options, node, database, path });
    await supervisor.start(parts.modules);
    if (config.get('modules.deviceTwin.enable')) {
      const { devices, whole } = await readLocalDevices(join(dataDir, 'edge', 'devices.d'), log);
      await parts.twin.seed([...devices, ...(options.seed === undefined ? [] : seeds(options.seed))], { whole });
    }
    const settled = { options: mapperSettings(config), thirdParty: config.get('modules.mapperHost.thirdParty.protocols') };
    const control = await openControlSocket({
      path: join(dataDir, 'edge', 'control.sock'),
      tcp: config.get('modules.control.listen'),
      report: () => supervisor.health(),
      pages: new Map([['/mappers', () => ({ ...settled, plugins: parts.mappers.plugins(), devices: parts.mappers.devices() })]]),
    });
    const mqtt = parts.broker.listeners.map((listener) => listener.address);
    log.info('edgecore.board', boardFacts());
    log.info('edgecore.ready', { node, mqtt, version: NODE_VERSION, pid: process.pid });
    return {
      node,
      mqtt,
      objects: parts.objects,
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
  checkCloudAddress(config);
  const mode = config.get('modules.eventBus.mqttMode');
  const external = config.get('modules.eventBus.mqttServerExternal');
  const own = [internalAddress(config), ...config.get('modules.eventBus.listeners')].find((address) => isOwnListener(address, external));
  if (mode === 1 && own !== undefined) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `${own === internalAddress(config) ? 'modules.eventBus.mqttServerInternal' : 'modules.eventBus.listeners'} (${own}) and mqttServerExternal (${external}) are the same: give the embedded broker another port`,
    );
  }
}

/** Written wrongly it would be tried for ever, or at port 443. */
function checkCloudAddress(config: Config<typeof settings>): void {
  if (!config.get('modules.edgeHub.enable')) return;
  const servers = config
    .get('modules.edgeHub.websocket.server')
    .split(',')
    .map((server) => server.trim());
  const written = servers.filter((server) => server !== '');
  const wrong = [...written, ...(written.length === 0 ? [''] : [])].find((server) => {
    const port = Number(/^(?:\[[0-9a-fA-F:.]+\]|[^\s/:[\]@]+):(\d{1,5})$/.exec(server)?.[1]);
    return !(port >= 1 && port <= 65_535);
  });
  if (wrong === undefined) return;
  throw new HiveletError(
    'CONFIG_INVALID',
    `modules.edgeHub.websocket.server is ${JSON.stringify(wrong)}: write HOST:PORT of the cloud, for instance cloud.example:10000, or set modules.edgeHub.enable to false to work without one`,
  );
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
