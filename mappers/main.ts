/** Owns the program that runs one plugin in a process of its own: as a child of edgecore, or as a service that comes to its socket. */
import { fstatSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { flagFault } from '#beehive/flag-fault.ts';
import { programLogger, reportFailure, stopSignal } from '#beehive/program.ts';
import { sdNotify } from '#beehive/sd-notify.ts';
import { HIVELET_VERSION } from '../edge/version.ts';
import { createMapperHost } from './host/mapper-host.ts';
import { createPluginTable, type PluginRow } from './index.ts';
import { STREAM_FD } from './isolation/child-process.ts';
import { dieFirst, runMapperProcess } from './isolation/mapper-process.ts';

const HELP = `hivelet mapper: one mapper plugin in a process of its own

Usage: hivelet mapper NAME --socket PATH

  NAME            the plugin: ${[...new Set([...createPluginTable().values()].map(({ plugin }) => plugin))].join(', ')}
  --socket PATH   of edgecore, which makes it where modules.mapperHost.placement.NAME is \`service\`
  --help

The unit hivelet-mapper@NAME.service starts it. A plugin whose placement is \`child\` is started by edgecore itself.
`;

interface Line {
  plugin: string;
  /** Absent: the stream is inherited. */
  socket: string | undefined;
}

function readLine(argv: readonly string[]): Line | undefined {
  const { values, positionals } = parse(argv);
  if (values.help === true) return undefined;
  const [plugin, ...others] = positionals;
  if (plugin === undefined || others.length > 0) throw usage('name one plugin');
  if (values.socket === undefined && !hasStream()) throw usage('--socket is missing: without one only edgecore can start it');
  return { plugin, socket: values.socket };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: true,
      options: { socket: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw usage(flagFault(messageOf(error), ['socket', 'help']));
  }
}

function usage(text: string): HiveletError {
  return new HiveletError('USAGE', `${text} (see hivelet mapper --help)`);
}

function hasStream(): boolean {
  try {
    return fstatSync(STREAM_FD).isSocket();
  } catch {
    return false;
  }
}

/** Rows of this plugin, with the options that edgecore has. */
function rowsOf(plugin: string, rows: ReadonlyMap<string, PluginRow>): ReadonlyMap<string, PluginRow['load']> {
  return new Map([...rows].filter(([, row]) => row.plugin === plugin).map(([protocol, { load }]) => [protocol, load]));
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.off('error', fail);
      resolve(socket);
    });
    const fail = (cause: Error): void =>
      reject(
        new HiveletError('LINK_CLOSED', `edgecore is not at ${path} (${messageOf(cause)}): does it run, with this placement?`, { cause }),
      );
    socket.once('error', fail);
  });
}

/** As a child: the interrupt of a terminal reaches the whole group, and edgecore ends its children itself. */
function terminated(): Promise<unknown> {
  process.on('SIGINT', () => undefined);
  return new Promise((resolve) => process.on('SIGTERM', resolve));
}

async function main(argv: readonly string[]): Promise<number> {
  const line = readLine(argv);
  if (line === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  const { plugin, socket } = line;
  process.title = `hivelet-mapper ${plugin}`;
  dieFirst();
  const stopped = socket === undefined ? terminated() : stopSignal();
  const stream = socket === undefined ? new Socket({ fd: STREAM_FD, readable: true, writable: true }) : await dial(socket);
  const log = programLogger(systemClock, { level: 'info' });
  const notify = sdNotify({ env: process.env, clock: systemClock, log, pid: process.pid });
  await runMapperProcess({
    plugin,
    version: HIVELET_VERSION,
    stream,
    clock: systemClock,
    plugins: (options, secrets) => {
      // Which plugins of others there are is known with the options only.
      const rows = rowsOf(plugin, createPluginTable({ ...options, secrets }));
      if (rows.size === 0) throw usage(`there is no plugin ${plugin}`);
      return rows;
    },
    createHost: createMapperHost,
    stopped,
    onReady: (healthy) => {
      notify.ready(`mapper ${plugin}`);
      notify.watch(healthy);
    },
  });
  notify.close();
  return 0;
}

// Timers of the Clock keep no process alive, but a stop that waits has to.
const alive = new MessageChannel();
alive.port1.ref();
alive.port1.on('message', () => undefined);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure('mapper', error);
}
// Whatever a driver may still hold open has nothing to say after a stop.
process.exit();
