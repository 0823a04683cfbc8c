/** Owns what a process prints: whole lines for the log, and the one that says best why it ended. */
import type { Readable } from 'node:stream';

/** Longer lines are cut. */
const LINE_LIMIT = 2000;
const KEPT = 20;
const SHOWN = 200;

export class LastWords {
  readonly #kept: string[] = [];

  /** Calls `line` for each line that is not empty. */
  follow(stream: Readable, line: (text: string) => void): void {
    let rest = '';
    const say = (text: string): void => {
      const clean = text.slice(0, LINE_LIMIT).trimEnd();
      if (clean === '') return;
      this.#kept.push(clean);
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
    const said = this.#kept.filter((text) => !/^\s|^Node\.js v|^[{}]/.test(text));
    const error = said.findLast((text) => /^(?:Uncaught )?\w*(?:Error|Exception)\b.*: /.test(text));
    return (error ?? said.at(-1) ?? '').slice(0, SHOWN);
  }
}
