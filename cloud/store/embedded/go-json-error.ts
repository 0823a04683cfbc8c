/** Owns the words for texts that are no JSON: those of Go's reader, which clients of Kubernetes know. */

/** The rest of a message of this engine's reader, and what Go says of the character that it stands at. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/^Expected property name/, 'looking for beginning of object key string'],
  [/^Expected double-quoted property name/, 'looking for beginning of object key string'],
  [/^Expected ':'/, 'after object key'],
  [/^Expected ',' or '}'/, 'after object key:value pair'],
  [/^Expected ',' or ']'/, 'after array element'],
  [/^Unexpected non-whitespace/, 'after top-level value'],
  [/^Bad control character/, 'in string literal'],
  [/^Bad escaped character/, 'in string escape code'],
];
const END = 'unexpected end of JSON input';

/** `error` is what reading `text` threw; others than those of JSON keep their words. */
export function goJsonError(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  if (message === '' || text.trim() === '' || /^Unexpected end|^Unterminated string/.test(message)) return END;
  const token = /^Unexpected token '?(.)/su.exec(message)?.[1];
  if (token !== undefined) return `invalid character ${quoted(token)} ${brokenLiteral(text, token) ?? 'looking for beginning of value'}`;
  const at = Number(/at position (\d+)/.exec(message)?.[1] ?? Number.NaN);
  const phrase = PHRASES.find(([pattern]) => pattern.test(message))?.[1];
  if (phrase === undefined || Number.isNaN(at)) return message;
  const found = text.codePointAt(at);
  return found === undefined ? END : `invalid character ${quoted(String.fromCodePoint(found))} ${phrase}`;
}

/** Where the character broke off a `true`, `false` or `null`. */
function brokenLiteral(text: string, token: string): string | undefined {
  for (const [, start = '', next] of text.matchAll(/(?<![\w"])(t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?)(.)/gsu)) {
    const literal = ['true', 'false', 'null'].find((each) => each.startsWith(start)) ?? '';
    const expected = literal[start.length] ?? '';
    if (next === token && next !== expected) return `in literal ${literal} (expecting '${expected}')`;
  }
  return undefined;
}

function quoted(character: string): string {
  if (character === "'") return String.raw`'\''`;
  return `'${JSON.stringify(character).slice(1, -1).replace('\\"', '"')}'`;
}
