/** Owns what a process prints: whole lines for the log, and the one that says best why it ended. */
import type { Readable } from 'node:stream';

/** Longer lines are cut. */
const LINE_LIMIT = 2000;
const KEPT = 20;
const SHOWN = 200;
/** Where something happened, not what: of JavaScript, of node's own code, and the lines around them. */
const FRAME = /^\s|^Node\.js v|^[{}]|^\d+: 0x|^-+ .* -+$|^#$|^<---/;
/** Says what happened: an exception, or why V8 gave up. */
const ERROR = /^(?:Uncaught )?\w*(?:Error|Exception)\b.*: |^FATAL ERROR: /;

export class LastWords {
  readonly #kept: string[] = [];

  /** Calls `line` for each line that is not empty. */
  follow(stream: Readable, line: (text: string) => void): void {
    let rest = '';
    const say = (text: string): void => {
      const clean = text.slice(0, LINE_LIMIT).trimEnd();
      if (clean === '') return;
      if (!FRAME.test(clean)) this.#kept.push(clean);
      if (this.#kept.length > KEPT) this.#kept.shift();
      line(clean);
    };
    stream.setEncoding('utf8');
    stream.on('data', (piece: string) => {
      const lines = (rest + piece).split('\n');
      rest = (lines.pop() ?? '').slice(0, LINE_LIMIT);
      for (const each of lines) say(each);
    });
    stream.on('end', () => say(rest));
    stream.on('error', () => undefined);
  }

  /** The line that names an error, else the last one; '' when nothing was printed. */
  get best(): string {
    const error = this.#kept.findLast((text) => ERROR.test(text));
    return (error ?? this.#kept.at(-1) ?? '').slice(0, SHOWN);
  }
}
