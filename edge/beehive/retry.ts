/** Owns back-off: how long to wait before the next attempt. */

/**
 * Full-jitter exponential back-off: each wait is uniform in (0, base], base doubles from `firstMs` up to `maxMs`.
 * Source: DESIGN section 4, "Reconnect back-off: full jitter, 0.5 s to 30 s".
 */
export function* backoff(firstMs: number, maxMs: number, random: () => number): Generator<number, never> {
  for (let base = firstMs; ; base = Math.min(base * 2, maxMs)) yield Math.max(1, random() * base);
}
