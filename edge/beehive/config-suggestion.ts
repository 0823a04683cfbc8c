/** Owns the guess which setting was meant by a path that is none. */
import { nearestName } from '#device-models/nearest-name.ts';

/** Section by section the nearest name; else the one setting that has this key in another section. Undefined when nothing is near. */
export function nearestSetting(path: string, known: readonly string[]): string | undefined {
  return nearestBySection(path.split('.'), known) ?? keyElsewhere(path, known);
}

function nearestBySection(segments: readonly string[], known: readonly string[]): string | undefined {
  let prefix = '';
  for (const segment of segments) {
    const below = known.filter((each) => each.startsWith(prefix)).map((each) => each.slice(prefix.length));
    const names = new Set(below.map((each) => each.split('.')[0] ?? ''));
    const hit = names.has(segment) ? segment : nearestName(segment, names);
    if (hit === undefined) return undefined;
    if (known.includes(prefix + hit)) return prefix + hit;
    prefix += `${hit}.`;
  }
  return prefix.slice(0, -1);
}

function keyElsewhere(path: string, known: readonly string[]): string | undefined {
  const key = (each: string): string => (each.split('.').at(-1) ?? '').toLowerCase();
  const same = known.filter((each) => key(each) === key(path));
  return same.length === 1 ? same[0] : undefined;
}
