/** Owns the programs cloudcore (`hivelet cloud`) and the API server alone (`hivelet api`): command line, start and stop. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '#beehive/clock.ts';
import { defaultConfig, loadConfig, type Config } from '#beehive/config.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger, LogLevel } from '#beehive/log.ts';
import { defaultDataDir, programLogger, reportFailure, stopSignal } from '#beehive/program.ts';
import { sdNotify } from '#beehive/sd-notify.ts';
import { HIVELET_VERSION, VERSION } from '../edge/version.ts';
import { startCloud } from './cloudcore.ts';
import { cloudSchema, type settings } from './config.ts';
import { serveApi } from './kube-access.ts';
import { initCloud } from './pki/init.ts';

type Program = 'cloud' | 'api';

const help = (program: Program): string => `hivelet ${program}: ${
  program === 'cloud' ? 'the cloud side: API server, hub, controllers (cloudcore)' : 'the embedded Kubernetes API server alone'
}

Usage: hivelet ${program} [options]

  --config FILE           cloudcore.yaml, Hivelet's or KubeEdge's (default: <data-dir>/cloud/cloudcore.yaml if it is there)
  --set path.to.key=value one setting, repeatable, wins over the file
  --data-dir DIR          default ${defaultDataDir()}
  --log-level LEVEL       debug, info, warn, error (default info)
  --log-format FORMAT     json or text (default: text on a terminal)
  --defaultconfig         print all settings with their defaults
  --minconfig             print the few settings that most people touch
  --print-config          print the settings in force and exit
  --version, --help
`;

interface Arguments {
  program: Program;
  config: string | undefined;
  sets: string[];
  dataDir: string;
  level: LogLevel;
  format: 'json' | 'text' | undefined;
  print: boolean;
}

interface Running {
  status: string;
  health(): { ok: boolean };
  stop(): Promise<void>;
}

async function main(argv: readonly string[]): Promise<number> {
  const args = readArguments(argv);
  if (typeof args === 'string') {
    process.stdout.write(args);
    return 0;
  }
  const config = loadConfig(cloudSchema, { file: args.config, sets: args.sets });
  if (args.print) {
    process.stdout.write(config.print());
    return 0;
  }
  const log = programLogger(systemClock, { level: args.level, ...(args.format === undefined ? {} : { format: args.format }) });
  for (const warning of config.warnings) log.warn('config.ignored', { reason: warning });
  return args.program === 'cloud' ? runCloud(args, config, log) : run(args, log, () => startApi(args, config, log));
}

function runCloud(args: Arguments, config: Config<typeof settings>, log: Logger): Promise<number> {
  return run(args, log, async (signal) => {
    const { dataDir } = args;
    const cloud = await startCloud({ config, dataDir, clock: systemClock, log, signal, version: HIVELET_VERSION });
    return { ...cloud, status: `API ${cloud.api}, nodes on port ${cloud.hubPort}` };
  });
}

async function startApi({ dataDir }: Arguments, config: Config<typeof settings>, log: Logger): Promise<Running> {
  const advertise = [...config.get('modules.cloudHub.advertiseAddress'), ...config.get('modules.cloudHub.dnsNames')];
  await initCloud({ dataDir, advertise: advertise.filter((address) => address !== ''), clock: systemClock });
  const { access, server } = await serveApi({ config, dataDir, clock: systemClock, log });
  log.info('api.ready', { api: access.server, cluster: server.clusterUid, version: HIVELET_VERSION, pid: process.pid });
  return { status: `API ${access.server}`, health: () => ({ ok: true }), stop: () => server.close() };
}

/** Starts, says so, waits for a signal, stops. */
async function run(args: Arguments, log: Logger, start: (signal: AbortSignal) => Promise<Running>): Promise<number> {
  const abort = new AbortController();
  const stopped = stopSignal();
  void stopped.then(() => abort.abort(new HiveletError('STOPPED')));
  // Timers of the Clock keep no process alive, but a start that waits for an API has to.
  const alive = new MessageChannel();
  alive.port1.ref();
  alive.port1.on('message', () => undefined);
  try {
    const running = await start(abort.signal);
    const notify = sdNotify({ env: process.env, clock: systemClock, log, pid: process.pid });
    notify.ready(running.status);
    // That this runs is the proof: an API that is away is no reason to kill the process, and failed modules are restarted inside it.
    notify.watch(() => true);
    process.on('SIGUSR2', () => log.info(`${args.program}.modules`, { ...running.health() }));
    const signal = await stopped;
    log.info(args.program === 'cloud' ? 'cloudcore.stopping' : 'api.stopping', { signal });
    notify.stopping();
    notify.close();
    await running.stop();
    return 0;
  } catch (error) {
    // Stopped on demand before it was ready: nothing failed.
    if (abort.signal.aborted) return 0;
    throw error;
  } finally {
    alive.port1.close();
  }
}

/** A text is to be printed. Throws USAGE. */
function readArguments(argv: readonly string[]): Arguments | string {
  const program: Program = argv[0] === 'api' ? 'api' : 'cloud';
  const { values } = parse(program, program === 'api' ? argv.slice(1) : argv);
  if (values.help === true) return help(program);
  if (values.version === true) return `${VERSION}\n`;
  if (values.defaultconfig === true) return defaultConfig(cloudSchema, false);
  if (values.minconfig === true) return defaultConfig(cloudSchema, true);
  const level = values['log-level'] ?? 'info';
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') {
    throw usage(program, `--log-level ${level}: use debug, info, warn or error`);
  }
  const format = values['log-format'];
  if (format !== undefined && format !== 'json' && format !== 'text') throw usage(program, `--log-format ${format}: use json or text`);
  const dataDir = values['data-dir'] ?? defaultDataDir();
  const own = join(dataDir, 'cloud', 'cloudcore.yaml');
  return {
    program,
    config: values.config ?? (existsSync(own) ? own : undefined),
    sets: values.set ?? [],
    dataDir,
    level,
    format,
    print: values['print-config'] === true,
  };
}

function parse(program: Program, argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      options: {
        config: { type: 'string' },
        set: { type: 'string', multiple: true },
        'data-dir': { type: 'string' },
        'log-level': { type: 'string' },
        'log-format': { type: 'string' },
        defaultconfig: { type: 'boolean' },
        minconfig: { type: 'boolean' },
        'print-config': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usage(program, messageOf(error));
  }
}

function usage(program: Program, text: string): HiveletError {
  return new HiveletError('USAGE', `${text} (see hivelet ${program} --help)`);
}

process.on('unhandledRejection', (reason) => {
  process.exitCode = reportFailure('cloudcore', reason);
  process.exit();
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure('cloudcore', error);
}
// Whatever a library may still hold open has nothing to say after a stop.
process.exit();
