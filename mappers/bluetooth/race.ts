/** Owns waiting for something that may never come: raced against a time-out and against signals, with nothing left behind. */
import type { Clock } from '#beehive/clock.ts';

export interface RaceOptions<T> {
  clock: Clock;
  ms: number;
  /** What it ends with after `ms`. */
  late: () => Error;
  /** It ends with the reason of the first that aborts. */
  signals: readonly AbortSignal[];
  /** Begins; returns what undoes its listeners. A throw ends the race. */
  begin: (settle: { resolve: (value: T) => void; reject: (error: Error) => void }) => () => void;
}

export function race<T>({ clock, ms, late, signals, begin }: RaceOptions<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const undo: (() => void)[] = [];
    let over = false;
    const end = (outcome: () => void): void => {
      if (over) return;
      over = true;
      for (const each of undo) each();
      outcome();
    };
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted !== undefined) return reject(aborted.reason as Error);
    for (const signal of signals) {
      const onAbort = (): void => end(() => reject(signal.reason as Error));
      signal.addEventListener('abort', onAbort, { once: true });
      undo.push(() => signal.removeEventListener('abort', onAbort));
    }
    const timer = clock.timer(ms, () => end(() => reject(late())));
    undo.push(() => timer.cancel());
    try {
      undo.push(begin({ resolve: (value) => end(() => resolve(value)), reject: (error) => end(() => reject(error)) }));
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      end(() => reject(reason));
    }
    // It may have settled while it began.
    if (over) undo.at(-1)?.();
  });
}
