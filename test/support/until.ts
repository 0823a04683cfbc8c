/** Owns waiting in tests that run on real time: for an event or a condition, with a deadline, never for a time. */

export interface UntilOptions {
  /** What is waited for, as it reads after "waited in vain for". */
  what: string;
  /** Default 10 s. */
  deadlineMs?: number;
  /** Pause between two looks; default 10 ms. */
  everyMs?: number;
}

type Truthy<T> = Exclude<T, undefined | null | false | 0 | ''>;

/**
 * Resolves with the first truthy answer of `probe`. A probe that throws or rejects is asked again; the last failure is the
 * cause of the error that is thrown at the deadline. A probe that never answers does not outlive the deadline.
 */
export async function until<T>(probe: () => T | Promise<T>, options: UntilOptions): Promise<Truthy<T>> {
  const { what, deadlineMs = 10_000, everyMs = 10 } = options;
  const deadline = performance.now() + deadlineMs;
  let cause: unknown;
  while (performance.now() < deadline) {
    try {
      const answer = await within(Promise.resolve().then(probe), { what, deadlineMs: deadline - performance.now() });
      if (answer) return answer as Truthy<T>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  throw late({ what, deadlineMs }, cause);
}

/** The promise itself, or a rejection at the deadline. */
export async function within<T>(promise: Promise<T>, options: { what: string; deadlineMs?: number }): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late(options)), Math.max(0, options.deadlineMs ?? 10_000));
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function late({ what, deadlineMs = 10_000 }: { what: string; deadlineMs?: number }, cause?: unknown): Error {
  const last = cause instanceof Error ? `; last failure: ${cause.message}` : '';
  return new Error(`waited ${String(Math.round(deadlineMs))} ms in vain for ${what}${last}`, { cause });
}
