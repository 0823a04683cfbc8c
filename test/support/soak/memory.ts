/** Owns whether memory grows: what each process holds in the quiet after a storm, compared within its own life. */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { rssOf } from './site.ts';
import { pause } from './storm.ts';

const SAMPLES = 12;
const EVERY_MS = 250;

export interface Life {
  readonly name: string;
  readonly pid: number;
  /** The median of each quiet, MiB. */
  readonly rssMib: number[];
  /** How old it was then, ms. */
  readonly agesMs: number[];
}

export class Memory {
  readonly #lives = new Map<number, Life>();

  get lives(): Life[] {
    return [...this.#lives.values()];
  }

  /** Looks at these for a while; says what each holds. */
  async look(processes: ReadonlyMap<string, number>): Promise<string[]> {
    const seen = new Map<string, number[]>([...processes.keys()].map((name) => [name, []]));
    for (let sample = 0; sample < SAMPLES; sample++) {
      await pause(EVERY_MS);
      for (const [name, pid] of processes) {
        const rss = rssOf(pid);
        if (rss !== undefined) seen.get(name)?.push(rss);
      }
    }
    for (const [name, pid] of processes) {
      const values = (seen.get(name) ?? []).sort((a, b) => a - b);
      const median = values[values.length >> 1];
      if (median === undefined) continue;
      const life = this.#lives.get(pid) ?? { name, pid, rssMib: [], agesMs: [] };
      life.rssMib.push(Math.round(median * 10) / 10);
      life.agesMs.push(ageOf(pid));
      this.#lives.set(pid, life);
    }
    return this.lives
      .filter(({ pid }) => [...processes.values()].includes(pid))
      .map(({ name, rssMib }) => `${name} ${String(rssMib.at(-1))} MiB`);
  }

  /** Those that hold more at their end than after the first storm that saw them full-grown: more than `share` and `slackMib` more. */
  growths({ share, slackMib, grownMs }: { share: number; slackMib: number; grownMs: number }): string[] {
    return this.lives.flatMap(({ name, pid, rssMib, agesMs }) => {
      const first = rssMib[agesMs.findIndex((ageMs) => ageMs >= grownMs)];
      const last = rssMib.at(-1);
      if (first === undefined || last === undefined || last <= first * (1 + share) + slackMib) return [];
      return [`${name} (${String(pid)}) grew: ${rssMib.join(', ')} MiB`];
    });
  }
}

/** Since the process was started, ms: field 22 of its stat, in ticks of 10 ms after the machine was started. */
function ageOf(pid: number): number {
  const startTicks = Number(
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .split(') ')[1]
      ?.split(' ')[19],
  );
  return uptime() * 1000 - startTicks * 10;
}

/** What a mapper's process calls itself: the last word of its command line. */
export function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')
      .split('\0')
      .filter(Boolean)
      .slice(-2)
      .join(' ')
      .slice(-60);
  } catch {
    return 'gone';
  }
}
