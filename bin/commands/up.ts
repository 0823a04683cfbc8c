/** Owns `hivelet up`: cloud and edge as two processes of one machine; a crash of one does not end the other. */
import { formatText } from '#beehive/log.ts';
import type { Command, Io } from './command.ts';
import { KeptChild, LAUNCHER, stopAll, type LogEvent } from './children.ts';
import { expectArgs } from './command.ts';
import { initForOneMachine, partArguments, splitSettings, type Part } from './parts.ts';

export const command: Command = {
  usage: ['up'],
  about: [
    'Starts the cloud side and the edge on this machine and keeps both running until it is stopped. Certificates are made when they are missing.',
    '--config takes a file of either kind, twice for both. --set knows by the module which of the two is meant; others are written',
    '--set edge.database.dataSource=... or --set cloud....',
  ],
  flags: {},
  async run({ args, flags, io, clock, signal, dataDir }) {
    expectArgs(args, { least: 0, most: 0, what: '`hivelet up` takes flags only' });
    const parts = splitSettings(flags.texts('config'), flags.texts('set'));
    await initForOneMachine({ dataDir, edge: parts.edge, clock });
    const children = (['cloud', 'edge'] as const).map((name) => {
      const line = printer(io, name);
      return new KeptChild({ name, command: LAUNCHER, args: [name, ...partArguments(parts[name], dataDir)], clock, line });
    });
    const killed = (): void => children.forEach((child) => child.kill());
    process.once('exit', killed);
    try {
      for (const child of children) child.start();
      const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([stopped, Promise.all(children.map(({ ready }) => ready)).then(() => stopped)]);
      return 0;
    } finally {
      await stopAll(children);
      process.off('exit', killed);
    }
  },
};

/** On a terminal aligned text behind the part's name; else the same JSON with a field more. */
function printer(io: Io, name: Part): (text: string, log: LogEvent | undefined) => void {
  return (text, log) => {
    if (log === undefined) return io.error(`${name.padEnd(5)} | ${text}`);
    const { time, event, level, fields } = log;
    if (!io.terminal) return io.error(JSON.stringify({ program: name, time, level, event, ...fields }));
    io.error(`${name.padEnd(5)} | ${formatText({ time, event, level: level as 'info', fields: { ...fields } })}`);
  };
}
