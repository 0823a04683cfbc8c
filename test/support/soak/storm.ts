/** Owns the bad weather: faults drawn from a seed that begin and end by themselves, a few at a time. */
import type { PlantFault } from '#test/simulators/plants/plant.ts';

export interface StormOptions {
  readonly draw: () => number;
  readonly faults: readonly PlantFault[];
  /** performance.now() at its end. */
  readonly until: number;
  /** At most so many at once, and how long each lasts, ms. */
  readonly atOnce: number;
  readonly shortestMs: number;
  readonly longestMs: number;
  readonly pauseMs: number;
}

/** Resolves with what happened, in order, when every fault has ended. Rejects when one could not begin or end. */
export async function storm(options: StormOptions): Promise<string[]> {
  const { draw, until, atOnce, pauseMs } = options;
  const story: string[] = [];
  const running = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  while (performance.now() < until) {
    await pause(pauseMs * (0.5 + draw()));
    const free = options.faults.filter(({ name }) => !running.has(name));
    const fault = free[Math.floor(draw() * free.length)];
    const lastsMs = options.shortestMs + draw() * (options.longestMs - options.shortestMs);
    if (fault === undefined || running.size >= atOnce) continue;
    story.push(`${fault.name} for ${String(Math.round(lastsMs))} ms`);
    running.set(
      fault.name,
      happen(fault, lastsMs)
        .catch((error: unknown) => failures.push(error))
        .then(() => void running.delete(fault.name)),
    );
  }
  await Promise.all(running.values());
  if (failures.length > 0) throw new AggregateError(failures, `a fault could not be made: ${String(failures[0])}`);
  return story;
}

async function happen(fault: PlantFault, lastsMs: number): Promise<void> {
  const end = await fault.begin();
  await pause(lastsMs);
  await end();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** mulberry32. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
