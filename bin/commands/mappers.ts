/** Owns `hivelet mappers`: which plugins there are, whether each can work on this machine, and what a running edge does with them. */
import { request } from 'node:http';
import path from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { mapperSettings } from '../../edge/mapper-options.ts';
import type { ServedDevice } from '../../mappers/host/mapper-host.ts';
import type { PluginStatus } from '../../mappers/mappers.ts';
import { placesOf } from '../../mappers/placement.ts';
import type { Usability } from '../../mappers/contract.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { outputFlag, wantsJson } from './mappers/output.ts';
import { openMappers, type Mappers } from './mappers/plugins.ts';
import { columns } from './twins/columns.ts';

/** An adapter that is asked whether it works may hang; a person does not wait longer. */
const PATIENCE_MS = 10_000;

const WORKS: Usability = { usable: true };

interface MapperLine {
  readonly name: string;
  readonly protocols: readonly string[];
  readonly placement: string;
  readonly usable: boolean;
  readonly reason?: string;
  /** Absent: no edge runs. */
  readonly edge?: PluginStatus;
}

interface EdgeReport {
  /** An edge of an earlier version does not tell these two. */
  readonly options?: ReturnType<typeof mapperSettings>;
  readonly thirdParty?: readonly string[];
  readonly plugins: readonly PluginStatus[];
  readonly devices: readonly ServedDevice[];
}

export const command: Command = {
  usage: ['mappers [-o json]'],
  about: [
    'Shows the mapper plugins: their protocols, whether they run inside edgecore or in a process of their own, and whether they can work here, with',
    'the reason when not. When an edge with this --data-dir runs, also whether the plugin is loaded, its devices, its process and its restarts.',
    'Protocols of modules.mapperHost.thirdParty.protocols are served by mappers of others over MQTT.',
  ],
  flags: { ...outputFlag },
  async run(invocation) {
    expectArgs(invocation.args, { least: 0, most: 0, what: '`hivelet mappers` takes flags only' });
    const json = wantsJson(invocation.flags);
    const socket = path.join(invocation.dataDir, 'edge', 'control.sock');
    const edge = await askEdge(socket);
    const mappers = openMappers(invocation, edge?.options);
    const lines = await linesOf(mappers, edge, invocation);
    const others = edge?.thirdParty ?? mappers.config.get('modules.mapperHost.thirdParty.protocols');
    const found = { edge: edge !== undefined, mappers: lines, thirdParty: others, devices: edge?.devices ?? [] };
    if (json) invocation.io.out(JSON.stringify(found, undefined, 2));
    else print(lines, edge, { invocation, socket });
    if (!json && others.length > 0) invocation.io.out(`left to mappers of others: ${others.join(', ')}`);
    return 0;
  },
};

async function linesOf(mappers: Mappers, edge: EdgeReport | undefined, { io }: Invocation): Promise<MapperLine[]> {
  const { table, config } = mappers;
  const places = placesOf(table, config.get('modules.mapperHost.placement'));
  const names = new Map<string, string[]>();
  for (const [protocol, { plugin }] of table) names.set(plugin, [...(names.get(plugin) ?? []), protocol]);
  const lines: MapperLine[] = [];
  for (const [name, protocols] of names) {
    io.progress?.(`asking the plugin ${name}`);
    const usability = await usabilityOf(mappers, protocols[0] ?? name);
    const status = edge?.plugins.find((each) => each.name === name);
    lines.push({
      name,
      protocols,
      placement: status?.placement ?? places.get(name) ?? '',
      ...usability,
      ...(status === undefined ? {} : { edge: status }),
    });
  }
  return lines;
}

async function usabilityOf(mappers: Mappers, protocol: string): Promise<Usability> {
  const { clock, signal } = mappers.context;
  const asked = new AbortController();
  const stop = AbortSignal.any([signal, asked.signal]);
  const late = new Promise<Usability>((resolve) => {
    const timer = clock.timer(PATIENCE_MS, () => resolve({ usable: false, reason: `it did not say within ${PATIENCE_MS / 1000} s` }));
    stop.addEventListener('abort', () => timer.cancel(), { once: true });
  });
  try {
    const plugin = await mappers.plugin(protocol);
    return await Promise.race([plugin.usable?.({ ...mappers.context, signal: stop }) ?? WORKS, late]);
  } catch (error) {
    signal.throwIfAborted();
    return { usable: false, reason: messageOf(error) };
  } finally {
    asked.abort(new HiveletError('STOPPED'));
  }
}

/** Undefined when no edge listens there. Throws NOT_FOUND for one that must not be asked by this user. */
function askEdge(socketPath: string): Promise<EdgeReport | undefined> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path: '/mappers', timeout: PATIENCE_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      // An edge of an earlier version knows no such page.
      response.on('end', () => resolve(response.statusCode === 200 ? (JSON.parse(text) as EdgeReport) : undefined));
    });
    asking.on('timeout', () => asking.destroy(new HiveletError('NOT_FOUND', `the edge at ${socketPath} does not answer`)));
    asking.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return resolve(undefined);
      if (error.code !== 'EACCES') return reject(error);
      return reject(
        new HiveletError('NOT_FOUND', `${socketPath} belongs to another user: ask as the user that runs the edge`, { cause: error }),
      );
    });
    asking.end();
  });
}

function print(
  lines: readonly MapperLine[],
  edge: EdgeReport | undefined,
  { invocation, socket }: { invocation: Invocation; socket: string },
): void {
  const { io } = invocation;
  const rows = lines.map(({ name, protocols, placement, usable, reason, edge: status }) => [
    name,
    protocols.join(','),
    placement,
    usable ? 'yes' : 'no',
    ...(edge === undefined ? [] : edgeCells(status)),
    [reason, status?.reason].filter((text) => text !== undefined).join('; '),
  ]);
  const middle = edge === undefined ? [] : ['LOADED', 'STATE', 'DEVICES', 'PID', 'RESTARTS'];
  for (const line of columns(['MAPPER', 'PROTOCOLS', 'RUNS', 'USABLE', ...middle, 'NOTE'], rows)) io.out(line);
  if (edge === undefined) io.error(`no edge runs here (${socket}), so only what the plugins say is shown`);
}

function edgeCells(status: PluginStatus | undefined): string[] {
  if (status === undefined) return ['-', '-', '-', '-', '-'];
  const { loaded, state, devices, pid, restarts } = status;
  return [loaded ? 'yes' : 'no', state, String(devices), pid === undefined ? '-' : String(pid), String(restarts)];
}
