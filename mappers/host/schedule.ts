/** Owns when the properties of a device are read: those with the same cycle together, missed cycles left out. Pure. */

export interface Cycled {
  readonly name: string;
  readonly collectCycleMs: number;
}

interface Group {
  readonly cycleMs: number;
  readonly names: readonly string[];
  dueAt: number;
}

export interface Due {
  readonly names: readonly string[];
  readonly cycleMs: number;
}

export interface Schedule {
  /** Monotonic ms of the next reading; Infinity when there is nothing to read. */
  nextAt(): number;
  /** The names due at `now`, in the same array whenever the same are due; their next time is the first multiple of their cycle after it. */
  take(now: number): Due;
}

/** Devices have a few cycles; what else would be due together is put together anew. */
const KNOWN_LIMIT = 16;

/** All groups are due at `start`. Groups that fall due within `slackMs` of each other are read together. */
export function createSchedule(properties: readonly Cycled[], start: number, slackMs = 5): Schedule {
  const byCycle = new Map<number, string[]>();
  for (const { name, collectCycleMs } of properties) byCycle.set(collectCycleMs, [...(byCycle.get(collectCycleMs) ?? []), name]);
  const groups: Group[] = [...byCycle].map(([cycleMs, names]) => ({ cycleMs, names, dueAt: start }));
  const known = new Map<string, Due>();
  return {
    nextAt: () => groups.reduce((first, { dueAt }) => Math.min(first, dueAt), Infinity),
    take(now) {
      const due = groups.filter(({ dueAt }) => dueAt <= now + slackMs);
      for (const group of due) {
        const missed = Math.max(0, Math.floor((now - group.dueAt) / group.cycleMs));
        group.dueAt += (missed + 1) * group.cycleMs;
      }
      const key = due.map(({ cycleMs }) => cycleMs).join();
      const taken = known.get(key) ?? {
        names: due.flatMap(({ names }) => names),
        cycleMs: due.reduce((least, { cycleMs }) => Math.min(least, cycleMs), Infinity),
      };
      if (known.size < KNOWN_LIMIT) known.set(key, taken);
      return taken;
    },
  };
}
