/** Owns random numbers that are the same in each run, and what is made of them: broken bytes. */

/** Numbers from 0 up to 1, always the same ones for a seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function pick<T>(random: () => number, from: readonly T[]): T {
  const item = from[Math.floor(random() * from.length)];
  if (item === undefined) throw new Error('there is nothing to pick from');
  return item;
}

/** The example with some bytes changed, cut off, or repeated. */
export function broken(example: Buffer, random: () => number): Buffer {
  const bytes = Buffer.from(example);
  const at = (): number => Math.floor(random() * bytes.length);
  for (let left = 1 + Math.floor(random() * 8); left > 0; left--) bytes[at()] = Math.floor(random() * 256);
  const kind = random();
  if (kind < 0.3) return bytes.subarray(0, at());
  return kind < 0.5 ? Buffer.concat([bytes, bytes.subarray(at())]) : bytes;
}
