/** Owns finding the name that was probably meant. */

/** The known name with the fewest typing errors in `written`; undefined when none is near (more than a third of the letters differ). */
export function nearestName(written: string, known: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  for (const name of known) {
    const distance = editDistance(written.toLowerCase().slice(0, 64), name.toLowerCase().slice(0, 64));
    if (distance < (best?.distance ?? Infinity)) best = { name, distance };
  }
  if (best === undefined || best.distance >= best.name.length) return undefined;
  return best.distance <= Math.max(1, Math.floor(best.name.length / 3)) ? best.name : undefined;
}

/** Letters to insert, delete, replace or swap with their neighbour. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const choices = [(above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (above[column - 1] ?? 0) + same];
      current.push(Math.min(...choices, swapped ? (before[column - 2] ?? 0) + 1 : Infinity));
    }
    before = above;
    above = current;
  }
  return above[b.length] ?? 0;
}
