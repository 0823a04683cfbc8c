/** Owns what a person types to a running simulator: faults and values, one a line. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Simulated, SimulatedDevice } from './kind.ts';

export const FAULT_WORDS = ['silence', 'speak', 'refuse NAME', 'allow NAME', 'set NAME VALUE', 'values'] as const;

/** Longer lines are nothing that a person typed. */
const LONGEST_LINE = 1000;

/** Obeys the lines of `input` until it ends or the returned function is called. Each is answered with a log line. */
export function listenForFaults(input: Readable & { unref?: () => unknown }, simulated: Simulated, log: Logger): () => void {
  const lines = createInterface({ input, terminal: false });
  let work: Promise<void> = Promise.resolve();
  lines.on('line', (line) => {
    if (line.trim() === '') return;
    work = work.then(() => obey(line.slice(0, LONGEST_LINE).trim(), simulated, log));
  });
  input.on('error', () => lines.close());
  return () => {
    lines.close();
    input.pause();
    // A pipe that somebody holds open must not keep the process.
    input.unref?.();
  };
}

/** A process in the background of a terminal would be stopped by the kernel for reading from it. */
export function mayRead(input: { isTTY?: boolean }): boolean {
  if (input.isTTY !== true) return true;
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    // Behind the name: state, parent, group, session, terminal, foreground group of the terminal.
    return fields[2] === fields[5];
  } catch {
    return false;
  }
}

async function obey(line: string, simulated: Simulated, log: Logger): Promise<void> {
  try {
    log.info('simulator.told', { line, ...(await act(line.split(/\s+/), simulated)) });
  } catch (error) {
    log.warn('simulator.not-understood', { line, reason: messageOf(error) });
  }
}

async function act([word = '', name = '', ...rest]: readonly string[], simulated: Simulated): Promise<Record<string, unknown>> {
  switch (word.toLowerCase()) {
    case 'silence':
    case 'speak':
      await simulated.silence(word.toLowerCase() === 'silence');
      return {};
    case 'refuse':
    case 'allow': {
      const { device, property } = find(name, simulated.devices);
      await device.refuse(property, word.toLowerCase() === 'refuse');
      return { device: device.name };
    }
    case 'set': {
      const { device, property } = find(name, simulated.devices);
      await device.put(property, rest.join(' '));
      return { device: device.name };
    }
    case 'values':
      return { values: Object.fromEntries(simulated.devices.map((device) => [device.name, shown(device)])) };
    default:
      if (simulated.act?.([word.toLowerCase(), ...(name === '' ? [] : [name]), ...rest]) === true) return {};
      throw new HiveletError('USAGE', `${word} is none of ${[...FAULT_WORDS, ...(simulated.words ?? [])].join(', ')}`);
  }
}

function shown(device: SimulatedDevice): Record<string, string> {
  return Object.fromEntries(device.names.map((name) => [name, String(device.get(name))]));
}

/** `NAME`, or `DEVICE/NAME` where several devices have it. Throws NOT_FOUND. */
function find(written: string, devices: readonly SimulatedDevice[]): { device: SimulatedDevice; property: string } {
  const [, wanted, rest] = /^([^/]+)\/(.+)$/.exec(written) ?? [];
  for (const device of devices) {
    if (device.names.includes(written)) return { device, property: written };
    if (device.name === wanted && rest !== undefined && device.names.includes(rest)) return { device, property: rest };
  }
  const all = devices.map((device) => `${device.name}: ${device.names.join(', ')}`).join('; ');
  throw new HiveletError('NOT_FOUND', `there is no property ${JSON.stringify(written)}: ${all}`);
}
