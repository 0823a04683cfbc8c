/** Owns `hivelet set`: desired values of a device, checked first, and what became of them. */
import { HiveletError } from '#beehive/errors.ts';
import { readCycle } from '#device-models/cycles.ts';
import { expectArgs, type Command, type Flags } from './command.ts';
import { accessFlags, openTwins, type Via } from './twins/access.ts';
import { readChanges } from './twins/check-value.ts';
import type { SetOutcome } from './twins/source.ts';

const WAIT_MS = 10_000;

export const command: Command = {
  usage: ['set DEVICE PROPERTY=VALUE...'],
  about: [
    'Sets desired values in the API (or, at a board without a kubeconfig, as a local override over MQTT) after checking them against the model, and',
    'waits until the device reports them. Exit code 1 when it does not in time; the value stays desired.',
  ],
  flags: {
    ...accessFlags,
    'no-wait': { type: 'boolean', help: 'do not wait for the report' },
    timeout: { type: 'string', value: 'TIME', help: 'how long to wait, such as 30s (default 10s)' },
    json: { type: 'boolean', help: 'the outcome as JSON' },
  },
  async run(invocation) {
    const { args, flags, io } = invocation;
    expectArgs(args, { least: 2, most: Infinity, what: 'write a device and at least one property=value' });
    const [device = '', ...rest] = args;
    const changes = readChanges(rest);
    const waitMs = waitOf(flags);
    const { via, source } = await openTwins(invocation);
    try {
      const outcomes = await source.set(device, changes, { waitMs });
      if (flags.has('json')) io.out(JSON.stringify(outcomes, undefined, 2));
      else for (const outcome of outcomes) io.out(`${device} ${outcomeText(outcome, { via, waitMs })}`);
      return waitMs === 0 || outcomes.every(({ reported }) => reported !== undefined) ? 0 : 1;
    } finally {
      await source.close();
    }
  },
};

function waitOf(flags: Flags): number {
  if (flags.has('no-wait')) return 0;
  const written = flags.text('timeout');
  if (written === undefined) return WAIT_MS;
  const read = readCycle(/^\d+(\.\d+)?$/.test(written) ? `${written}s` : written, 'milliseconds');
  if (read === undefined || 'fault' in read) throw new HiveletError('USAGE', `--timeout ${written} is no time: write for instance 30s`);
  return read.ms;
}

function outcomeText(
  { property, value, before, reported, afterMs, reason }: SetOutcome,
  { via, waitMs }: { via: Via; waitMs: number },
): string {
  const was = before === undefined || before === value ? '' : ` (was ${before})`;
  const where = via === 'mqtt' ? ', a local override until the cloud wants something else' : '';
  const start = `${property}: desired ${value}${was}${where}`;
  if (reported !== undefined) return `${start}; reported ${reported} after ${Math.round(afterMs ?? 0)} ms`;
  if (afterMs !== undefined) return `${start}; ${reason ?? 'refused'}`;
  return waitMs === 0 ? start : `${start}; not reported within ${waitMs / 1000} s: ${reason ?? 'nobody said why'}`;
}
