/** Owns the demo's live table: twins redrawn in place on a terminal, or a line for each change elsewhere. */
import type { Clock } from '#beehive/clock.ts';
import type { Io } from '../command.ts';
import { columns } from '../twins/columns.ts';
import { changesBetween, seenText } from '../twins/seen.ts';
import type { DeviceTwins, TwinSource } from '../twins/source.ts';

const REDRAW_MS = 1000;

export interface LiveOptions {
  source: TwinSource;
  devices: readonly string[];
  io: Io;
  clock: Clock;
  signal: AbortSignal;
}

/** Until `signal` aborts. A look that fails shows as such and is tried again: the cloud may be restarting. */
export async function showLive({ source, devices, io, clock, signal }: LiveOptions): Promise<void> {
  let drawn = 0;
  let before = new Map<string, DeviceTwins>();
  while (!signal.aborted) {
    const looks = await Promise.all(devices.map((name) => source.twins(name).catch(() => undefined)));
    const found = looks.filter((look) => look !== undefined);
    if (io.terminal) {
      const lines = tableOf(found, clock.now());
      if (drawn > 0) io.out(`\u001b[${drawn + 1}A\u001b[J${lines.join('\n')}`);
      else io.out(lines.join('\n'));
      drawn = lines.length;
    } else {
      for (const look of found) for (const change of changesBetween(before.get(look.device.name), look)) io.out(seenText(change));
    }
    before = new Map(found.map((look) => [look.device.name, look]));
    await clock.sleep(REDRAW_MS, signal).catch(() => undefined);
  }
}

function tableOf(found: readonly DeviceTwins[], now: number): string[] {
  if (found.length === 0) return ['the API does not answer'];
  const rows = found.flatMap(({ device, twins }) =>
    twins.map(({ property, desired = '', reported = '-', unit, state, reportedAtMs }) => [
      device.name,
      property,
      desired,
      reported,
      unit,
      state,
      reportedAtMs === undefined ? '' : `${Math.max(0, (now - reportedAtMs) / 1000).toFixed(0)}s`,
      device.state,
    ]),
  );
  return columns(['DEVICE', 'PROPERTY', 'DESIRED', 'REPORTED', 'UNIT', 'TWIN', 'CHANGED', 'STATE'], rows);
}
