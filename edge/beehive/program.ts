/** Owns what every long-running program of ours does the same way: data directory, log output, signals, exit status. */
import { constants, homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { systemClock, type Clock } from './clock.ts';
import { catalogue, isHiveletError, messageOf } from './errors.ts';
import { createLogger, formatJson, formatText, type Logger, type LogLevel } from './log.ts';

/** `/var/lib/hivelet` as root, else `$XDG_STATE_HOME/hivelet` (DESIGN section 2). */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env, uid: number = process.getuid?.() ?? 1): string {
  if (uid === 0) return '/var/lib/hivelet';
  const state = env['XDG_STATE_HOME'];
  // The specification of XDG wants relative ones to be ignored.
  return join(state === undefined || !isAbsolute(state) ? join(homedir(), '.local', 'state') : state, 'hivelet');
}

/** JSON lines on stderr; aligned text when stderr is a terminal or `format` says so. */
export function programLogger(clock: Clock, options: { level: LogLevel; format?: 'json' | 'text' }): Logger {
  const format = (options.format ?? (process.stderr.isTTY ? 'text' : 'json')) === 'text' ? formatText : formatJson;
  return createLogger({ clock, level: options.level, write: (line) => void process.stderr.write(`${format(line)}\n`) });
}

/** One Ctrl-C often arrives twice: from the terminal, and from npm or `hivelet up`, which pass it on. */
const SAME_SIGNAL_MS = 1000;

/** Resolves with the first of SIGINT and SIGTERM. One that comes a second or more later, of either kind, ends the process at once. */
export function stopSignal(clock: Pick<Clock, 'monotonic'> = systemClock): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: NodeJS.Signals): void => {
      firstAt ??= clock.monotonic();
      if (clock.monotonic() - firstAt >= SAME_SIGNAL_MS) process.exit(128 + constants.signals[signal]);
      resolve(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  });
}

/** Prints the one sentence of an error and gives its exit status: 1 failed, 2 wrong usage. */
export function reportFailure(program: string, error: unknown): number {
  const known = isHiveletError(error);
  const text = known ? error.message : ((error instanceof Error ? error.stack : undefined) ?? messageOf(error));
  for (const line of text.split('\n')) process.stderr.write(`${program}: ${line}\n`);
  return known ? catalogue[error.code].exit : 1;
}
