/** Owns waiting for a server: ended by an abort and by a time that nothing may take longer than. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';

export interface Bounds {
  /** Any of them ends it. */
  readonly signals: readonly AbortSignal[];
  readonly clock: Clock;
  readonly ms: number;
}

/** The promise; or the signal's reason; or DEVICE_UNREACHABLE after `ms`. The promise itself goes on, unheard. */
export function within<T>(promise: Promise<T>, { signals, clock, ms }: Bounds): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      timer.cancel();
      for (const signal of signals) signal.removeEventListener('abort', onAbort);
    };
    const fail = (reason: unknown): void => {
      leave();
      reject(reason instanceof Error ? reason : new Error(String(reason)));
    };
    const onAbort = (): void => fail(signals.find(({ aborted }) => aborted)?.reason);
    const timer = clock.timer(ms, () =>
      fail(new HiveletError('DEVICE_UNREACHABLE', 'the server did not answer in time', { facts: { timedOut: true } })),
    );
    for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true });
    promise.then((value) => {
      leave();
      resolve(value);
    }, fail);
    if (signals.some(({ aborted }) => aborted)) onAbort();
  });
}
