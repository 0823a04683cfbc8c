/** Owns the `hivelet` command line: finds the command, gives it what it needs, and turns what it throws into one sentence and an exit code. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '#beehive/clock.ts';
import { HiveletError, catalogue, isHiveletError, messageOf } from '#beehive/errors.ts';
import { defaultDataDir } from '#beehive/program.ts';
import { nearestName } from '#device-models/nearest-name.ts';
import { commonFlags, helpOf, parseCommandLine, type Command, type Io } from './commands/command.ts';

import { commands, type Entry } from './commands/table.ts';

let progressing = false;
/** Output may be a file while somebody looks at the terminal. */
const { isTTY: watched = false, columns: width = 80 } = process.stderr as { isTTY?: boolean; columns?: number };

const io: Io = {
  out: (line) => {
    clearProgress();
    process.stdout.write(`${line}\n`);
  },
  error: (line) => {
    clearProgress();
    process.stderr.write(`${line}\n`);
  },
  progress: (text) => {
    if (!watched) return;
    progressing = true;
    process.stderr.write(`\r\u001b[K${text.slice(0, width - 1)}`);
  },
  terminal: process.stdout.isTTY,
};

function clearProgress(): void {
  if (!progressing) return;
  progressing = false;
  process.stderr.write('\r\u001b[K');
}

/** The exit code; prints everything that is to be printed. */
async function main(argv: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === '--version' || name === 'version') return print(`hivelet ${version()}`);
  if (name === 'help' || name === '--help' || name === '-h') return help(rest[0]);
  try {
    const entry = entryOf(name);
    if (entry.load === undefined) throw new HiveletError('USAGE', `${name} is started by bin/hivelet, not by this file`);
    return await runCommand((await entry.load()).command, rest);
  } catch (error) {
    return report(name, error);
  }
}

async function runCommand(command: Command, argv: readonly string[]): Promise<number> {
  const { args, flags } = parseCommandLine({ ...command.flags, ...commonFlags }, argv);
  if (flags.has('help')) return print(helpOf(command));
  const abort = new AbortController();
  let stopped: NodeJS.Signals | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    stopped ??= signal;
    abort.abort(new HiveletError('STOPPED'));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
  // Timers of the Clock keep no process alive, but a command that waits has to.
  const alive = new MessageChannel();
  alive.port1.ref();
  alive.port1.on('message', () => undefined);
  try {
    const dataDir = path.resolve(flags.text('data-dir') ?? defaultDataDir());
    return await command.run({ args, flags, io, env: process.env, clock: systemClock, signal: abort.signal, dataDir });
  } catch (error) {
    // Who was stopped before the work was done says so as a shell does; a command that runs until it is stopped ends with 0.
    if (stopped !== undefined && (isHiveletError(error, 'STOPPED') || error === abort.signal.reason))
      return 128 + constants.signals[stopped];
    throw error;
  } finally {
    clearProgress();
    alive.port1.close();
  }
}

function entryOf(name: string): Entry {
  const found = commands.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const near = nearestName(
    name,
    commands.map((entry) => entry.name),
  );
  throw new HiveletError('USAGE', `there is no command ${name}${near === undefined ? '' : `; did you mean ${near}?`}`);
}

async function help(name: string | undefined): Promise<number> {
  if (name === undefined) return print(overview());
  try {
    const entry = entryOf(name);
    if (entry.load === undefined) return print(`hivelet ${name}: ${entry.summary}. \`hivelet ${name} --help\` lists its flags.`);
    return print(helpOf((await entry.load()).command));
  } catch (error) {
    return report('help', error);
  }
}

function overview(): string {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  const lines = shown.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`);
  return [
    'Hivelet: KubeEdge for things, an edge runtime for small boards with a small Kubernetes cloud side.',
    '',
    '  hivelet COMMAND [--config FILE] [--set A.B=VALUE]... [--data-dir DIR]',
    '',
    ...lines,
    '',
    '`hivelet COMMAND --help` says more. Exit codes: 0 fine, 1 failed, 2 wrong usage; 130 when Ctrl-C came before it was done.',
  ].join('\n');
}

function report(name: string, error: unknown): number {
  const message = messageOf(error);
  io.error(`hivelet ${name}: ${message}`);
  if (isHiveletError(error, 'USAGE'))
    io.error(`See \`hivelet ${commands.some((entry) => entry.name === name) ? `${name} --help` : 'help'}\`.`);
  if (process.env['HIVELET_DEBUG'] !== undefined && error instanceof Error) io.error(error.stack ?? '');
  return error instanceof HiveletError ? catalogue[error.code].exit : 1;
}

function print(text: string): number {
  io.out(text);
  return 0;
}

function version(): string {
  const text = readFileSync(path.join(import.meta.dirname, '../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// Whatever a driver may still hold open has nothing to say once the command is done.
process.exit(await main(process.argv.slice(2)));
