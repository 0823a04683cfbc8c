/** Owns names of found things made fit: objects for Kubernetes, properties for twins; each is there once. Pure. */

const LONGEST_OBJECT = 63;
const LONGEST_PROPERTY = 63;

/** DNS-1123: small letters, digits and `-`. */
export function objectName(written: string): string {
  const name = written
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]+/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_OBJECT)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'device' : name;
}

/** What KubeEdge takes as the name of a twin. */
export function propertyName(written: string): string {
  const name = written
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]+/g, '')
    .replace(/[^a-zA-Z0-9_.]+/g, '-')
    .slice(0, LONGEST_PROPERTY)
    .replace(/^[-.]+|[-.]+$/g, '');
  return name === '' ? 'value' : name;
}

/** The name itself, or the first of `name-2`, `name-3`... that is not taken; from now on it is. */
export function unusedName(name: string, taken: Set<string>): string {
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${name.slice(0, LONGEST_OBJECT - String(number).length - 1)}-${number}`;
  taken.add(free);
  return free;
}
