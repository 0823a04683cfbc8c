/** Owns the words for a flag that nobody knows or that lacks its value: node's own name it in quotes and then explain at length. Pure. */
import { nearestName } from '#device-models/nearest-name.ts';

/** One sentence without an end for what `parseArgs` of node threw; `known`: the flags that there are, without dashes. */
export function flagFault(message: string, known: readonly string[]): string {
  const unknown = /^Unknown option '(-{1,2}[^' ]*)/.exec(message)?.[1];
  if (unknown !== undefined) {
    const near = nearestName(unknown.replace(/^-+/, ''), known);
    return `there is no flag ${unknown}${near === undefined ? '' : `; did you mean --${near}?`}`;
  }
  const bare = /^Option '(?:-\w, )?(--[^' ]+)(?: <value>)?' argument (?:is ambiguous|missing)/.exec(message)?.[1];
  if (bare !== undefined) return `${bare} needs a value behind it`;
  return message.split('\n')[0]?.replace(/\.$/, '') ?? message;
}
