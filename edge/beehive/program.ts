/** Owns what every long-running program of ours does the same way: data directory, log output, signals, exit status. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import { catalogue, isHiveletError, messageOf } from './errors.ts';
import { createLogger, formatJson, formatText, type Logger, type LogLevel } from './log.ts';

/** `/var/lib/hivelet` as root, else `$XDG_STATE_HOME/hivelet` (DESIGN section 2). */
export function defaultDataDir(env: NodeJS.ProcessEnv = process.env, uid: number = process.getuid?.() ?? 1): string {
  if (uid === 0) return '/var/lib/hivelet';
  const state = env['XDG_STATE_HOME'];
  return join(state === undefined || state === '' ? join(homedir(), '.local', 'state') : state, 'hivelet');
}

/** JSON lines on stderr; aligned text when stderr is a terminal or `format` says so. */
export function programLogger(clock: Clock, options: { level: LogLevel; format?: 'json' | 'text' }): Logger {
  const format = (options.format ?? (process.stderr.isTTY ? 'text' : 'json')) === 'text' ? formatText : formatJson;
  return createLogger({ clock, level: options.level, write: (line) => void process.stderr.write(`${format(line)}\n`) });
}

/** Resolves with the first of SIGINT and SIGTERM. A second one ends the process at once. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(130));
      });
    }
  });
}

/** Prints the one sentence of an error and gives its exit status: 1 failed, 2 wrong usage. */
export function reportFailure(program: string, error: unknown): number {
  const known = isHiveletError(error);
  const text = known ? error.message : ((error instanceof Error ? error.stack : undefined) ?? messageOf(error));
  for (const line of text.split('\n')) process.stderr.write(`${program}: ${line}\n`);
  return known ? catalogue[error.code].exit : 1;
}
