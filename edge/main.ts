/** Owns the program edgecore: command line, composition of the modules, start and stop. */
import { readProgramConfig, readProgramLine, type ProgramOptions } from '#beehive/command-line.ts';
import { systemClock } from '#beehive/clock.ts';
import { dumpModulesOnSignal } from '#beehive/modules-dump.ts';
import { programLogger, reportFailure, stopSignal } from '#beehive/program.ts';
import { sdNotify } from '#beehive/sd-notify.ts';
import { join } from 'node:path';
import { edgeSchema } from './config.ts';
import { startEdge } from './edgecore.ts';
import { VERSION } from './version.ts';

const options = {
  program: 'edge',
  summary: 'the edge runtime of one board (edgecore)',
  schema: edgeSchema,
  version: VERSION,
  ownFile: (dataDir: string) => join(dataDir, 'edge', 'edgecore.yaml'),
  extra: { 'seed-devices': ['NAME:N', 'devices NAME1 .. NAMEN with one float twin "temperature", to try and measure without a cloud'] },
} as const satisfies ProgramOptions;

async function main(argv: readonly string[]): Promise<number> {
  const args = await readProgramLine(options, argv);
  if (typeof args === 'string') {
    process.stdout.write(args);
    return 0;
  }
  const config = await readProgramConfig(edgeSchema, args);
  if (typeof config === 'string') {
    process.stdout.write(config);
    return 0;
  }
  const log = programLogger(systemClock, { level: args.level, ...(args.format === undefined ? {} : { format: args.format }) });
  for (const warning of config.warnings) log.warn('config.ignored', { reason: warning });
  const stopped = stopSignal();
  const edge = await startEdge({ config, dataDir: args.dataDir, clock: systemClock, log, seed: args.extra['seed-devices'] });
  const notify = sdNotify({ env: process.env, clock: systemClock, log, pid: process.pid });
  notify.ready(`node ${edge.node}, MQTT ${edge.mqtt.join(' ')}`);
  notify.watch(() => edge.health().ok);
  dumpModulesOnSignal({ log, event: 'edgecore.modules', health: () => edge.health() });
  const signal = await stopped;
  log.info('edgecore.stopping', { signal });
  notify.stopping();
  notify.close();
  await edge.stop();
  return 0;
}

process.on('unhandledRejection', (reason) => {
  process.exitCode = reportFailure('edgecore', reason);
  process.exit();
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure('edgecore', error);
}
// Whatever a library may still hold open has nothing to say after a stop.
process.exit();
