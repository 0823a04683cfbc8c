/** Owns the programs cloudcore (`hivelet cloud`) and the API server alone (`hivelet api`): command line, start and stop. */
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { systemClock, type Timer } from '#beehive/clock.ts';
import { readProgramConfig, readProgramLine, type ProgramLine } from '#beehive/command-line.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Config } from '#beehive/config.ts';
import type { Logger } from '#beehive/log.ts';
import { dumpModulesOnSignal } from '#beehive/modules-dump.ts';
import { programLogger, reportFailure, stopSignal } from '#beehive/program.ts';
import { sdNotify } from '#beehive/sd-notify.ts';
import { HIVELET_VERSION, VERSION } from '../edge/version.ts';
import { startCloud } from './cloudcore.ts';
import { cloudSchema, type settings } from './config.ts';
import { serveApi } from './kube-access.ts';
import { initCloud } from './pki/init.ts';

type Program = 'cloud' | 'api';

const summaries: Record<Program, string> = {
  cloud: 'the cloud side: API server, hub, controllers (cloudcore)',
  api: 'the embedded Kubernetes API server alone',
};

/** How soon the API server takes certificates over that were issued anew. */
const FILES_MS = 5000;

type Arguments = ProgramLine & { program: Program };

interface Running {
  status: string;
  health(): { ok: boolean };
  stop(): Promise<void>;
}

async function main(argv: readonly string[]): Promise<number> {
  const args = await readArguments(argv);
  if (typeof args === 'string') {
    process.stdout.write(args);
    return 0;
  }
  const config = await readProgramConfig(cloudSchema, args);
  if (typeof config === 'string') {
    process.stdout.write(config);
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
  const { access, server, refresh } = await serveApi({ config, dataDir, clock: systemClock, log });
  log.info('api.ready', { api: access.server, cluster: server.clusterUid, version: HIVELET_VERSION, pid: process.pid });
  const stopLooking = lookAgain(refresh, log);
  const stop = (): Promise<void> => {
    stopLooking();
    return server.close();
  };
  return { status: `API ${access.server}`, health: () => ({ ok: true }), stop };
}

/** cloudcore beside us may issue certificates anew. */
function lookAgain(refresh: () => Promise<void>, log: Logger): () => void {
  let timer: Timer | undefined;
  const look = (): void => {
    timer = systemClock.timer(FILES_MS, () => {
      refresh()
        .catch((error: unknown) => log.warn('api.certificates.failed', { error }))
        .finally(look)
        .catch(() => undefined);
    });
  };
  look();
  return () => timer?.cancel();
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
    const name = args.program === 'cloud' ? 'cloudcore' : 'api';
    dumpModulesOnSignal({ log, event: `${name}.modules`, health: () => running.health() });
    const signal = await stopped;
    log.info(`${name}.stopping`, { signal });
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

/** The launcher leaves `api` as the first word, and takes `cloud` away. */
async function readArguments(argv: readonly string[]): Promise<Arguments | string> {
  const program: Program = argv[0] === 'api' ? 'api' : 'cloud';
  const options = {
    program,
    summary: summaries[program],
    schema: cloudSchema,
    version: VERSION,
    ownFile: (dataDir: string) => join(dataDir, 'cloud', 'cloudcore.yaml'),
    ...(program === 'cloud'
      ? { extra: { kubeconfig: ['FILE', 'of the cluster to work on (--set kubeAPIConfig.kubeConfig=FILE)'] } as const }
      : {}),
  };
  const line = await readProgramLine(options, program === 'api' ? argv.slice(1) : argv);
  if (typeof line === 'string') return line;
  const { kubeconfig } = line.extra;
  return { ...line, program, sets: kubeconfig === undefined ? line.sets : [...line.sets, `kubeAPIConfig.kubeConfig=${kubeconfig}`] };
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
