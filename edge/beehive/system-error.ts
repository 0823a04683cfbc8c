/** Owns the words for what the operating system refused, for a sentence that names the file or the address itself. Pure. */
import { messageOf } from './errors.ts';

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['ENOTDIR', 'there is no such folder'],
  ['EISDIR', 'it is a folder'],
  ['EACCES', 'this user may not'],
  ['EPERM', 'this user may not'],
  ['ECONNREFUSED', 'nothing listens there'],
  ['ECONNRESET', 'the other side closed the connection'],
  ['EHOSTUNREACH', 'there is no way to it'],
  ['ENETUNREACH', 'there is no way to it'],
  ['ETIMEDOUT', 'it does not answer'],
  ['ENOTFOUND', 'there is no host of this name'],
  ['EAI_AGAIN', 'the name cannot be resolved now'],
]);

/** `nothing listens there (ECONNREFUSED)`; the message of any other error. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const words = WORDS.get(code);
  return words === undefined ? messageOf(error) : `${words} (${code})`;
}
