/** Owns the program edgecore: command line, composition of the modules, start and stop. */
import { parseArgs } from 'node:util';
import { defaultConfig, loadConfig } from '#beehive/config.ts';
import { systemClock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { defaultDataDir, programLogger, reportFailure, stopSignal } from '#beehive/program.ts';
import type { LogLevel } from '#beehive/log.ts';
import { sdNotify } from '#beehive/sd-notify.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { edgeSchema } from './config.ts';
import { startEdge } from './edgecore.ts';
import { VERSION } from './version.ts';

const help = `hivelet edge: the edge runtime of one board (edgecore)

Usage: hivelet edge [options]

  --config FILE           edgecore.yaml, Hivelet's or KubeEdge's (default: <data-dir>/edge/edgecore.yaml if it is there)
  --set path.to.key=value one setting, repeatable, wins over the file
  --data-dir DIR          default ${defaultDataDir()}
  --seed-devices NAME:N   devices NAME1 .. NAMEN with one float twin "temperature", for trying and measuring without a cloud
  --log-level LEVEL       debug, info, warn, error (default info)
  --log-format FORMAT     json or text (default: text on a terminal)
  --defaultconfig         print all settings with their defaults
  --minconfig             print the few settings that most people touch
  --print-config          print the settings in force and exit
  --version, --help
`;

interface Arguments {
  config: string | undefined;
  sets: string[];
  dataDir: string;
  seed: string | undefined;
  level: LogLevel;
  format: 'json' | 'text' | undefined;
  print: boolean;
}

async function main(argv: readonly string[]): Promise<number> {
  const args = readArguments(argv);
  if (typeof args === 'string') {
    process.stdout.write(args);
    return 0;
  }
  const config = loadConfig(edgeSchema, { file: args.config, sets: args.sets });
  if (args.print) {
    process.stdout.write(config.print());
    return 0;
  }
  const log = programLogger(systemClock, { level: args.level, ...(args.format === undefined ? {} : { format: args.format }) });
  for (const warning of config.warnings) log.warn('config.ignored', { reason: warning });
  const stopped = stopSignal();
  const edge = await startEdge({ config, dataDir: args.dataDir, clock: systemClock, log, seed: args.seed });
  const notify = sdNotify({ env: process.env, clock: systemClock, log, pid: process.pid });
  notify.ready(`node ${edge.node}, MQTT ${edge.mqtt.join(' ')}`);
  notify.watch(() => edge.health().ok);
  process.on('SIGUSR2', () => log.info('edgecore.modules', { ...edge.health() }));
  const signal = await stopped;
  log.info('edgecore.stopping', { signal });
  notify.stopping();
  notify.close();
  await edge.stop();
  return 0;
}

/** A text is to be printed. Throws USAGE. */
function readArguments(argv: readonly string[]): Arguments | string {
  const { values } = parse(argv);
  if (values.help === true) return help;
  if (values.version === true) return `${VERSION}\n`;
  if (values.defaultconfig === true) return defaultConfig(edgeSchema, false);
  if (values.minconfig === true) return defaultConfig(edgeSchema, true);
  const level = values['log-level'] ?? 'info';
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error')
    throw usage(`--log-level ${level}: use debug, info, warn or error`);
  const format = values['log-format'];
  if (format !== undefined && format !== 'json' && format !== 'text') throw usage(`--log-format ${format}: use json or text`);
  const dataDir = values['data-dir'] ?? defaultDataDir();
  const own = join(dataDir, 'edge', 'edgecore.yaml');
  return {
    config: values.config ?? (existsSync(own) ? own : undefined),
    sets: values.set ?? [],
    dataDir,
    seed: values['seed-devices'],
    level,
    format,
    print: values['print-config'] === true,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      options: {
        config: { type: 'string' },
        set: { type: 'string', multiple: true },
        'data-dir': { type: 'string' },
        'seed-devices': { type: 'string' },
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
    throw usage(messageOf(error));
  }
}

function usage(text: string): HiveletError {
  return new HiveletError('USAGE', `${text} (see hivelet edge --help)`);
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
