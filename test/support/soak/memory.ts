/** Owns whether memory grows: what each process holds in the quiet after a storm, compared within its own life. */
import { readFileSync } from 'node:fs';
import { rssOf } from './site.ts';
import { pause } from './storm.ts';

const SAMPLES = 12;
const EVERY_MS = 250;

export interface Life {
  readonly name: string;
  readonly pid: number;
  /** The median of each quiet, MiB. */
  readonly rssMib: number[];
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
      const life = this.#lives.get(pid) ?? { name, pid, rssMib: [] };
      life.rssMib.push(Math.round(median * 10) / 10);
      this.#lives.set(pid, life);
    }
    return this.lives
      .filter(({ pid }) => [...processes.values()].includes(pid))
      .map(({ name, rssMib }) => `${name} ${String(rssMib.at(-1))} MiB`);
  }

  /** Those that hold more at their end than after their first storm: more than `share` and `slackMib` more. */
  growths({ share, slackMib }: { share: number; slackMib: number }): string[] {
    return this.lives.flatMap(({ name, pid, rssMib }) => {
      const [first] = rssMib;
      const last = rssMib.at(-1);
      if (first === undefined || last === undefined || last <= first * (1 + share) + slackMib) return [];
      return [`${name} (${String(pid)}) grew: ${rssMib.join(', ')} MiB`];
    });
  }
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
