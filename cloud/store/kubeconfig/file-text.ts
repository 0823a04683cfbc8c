/** Owns files that others renew while we run: tokens and certificates, read again when they changed. */
import { readFileSync, statSync } from 'node:fs';
import { HiveletError, messageOf } from '#beehive/errors.ts';

export class FileText {
  readonly #file: string;
  #text: string;
  #stamp: string;

  /** Throws CONFIG_INVALID when it cannot be read. */
  constructor(file: string) {
    this.#file = file;
    try {
      this.#stamp = stampOf(file);
      this.#text = readFileSync(file, 'utf8');
    } catch (cause) {
      throw new HiveletError('CONFIG_INVALID', `cannot read ${file}: ${messageOf(cause)}`, { cause });
    }
  }

  /** What it holds now. While it is away or empty, as it may be for a moment when it is renewed: what it held before. */
  get text(): string {
    try {
      const stamp = stampOf(this.#file);
      if (stamp === this.#stamp) return this.#text;
      const text = readFileSync(this.#file, 'utf8');
      if (text.trim() !== '') [this.#stamp, this.#text] = [stamp, text];
    } catch {
      // Renamed in this moment.
    }
    return this.#text;
  }
}

/** Follows links: a mounted volume is renewed by another target. Size and time alone may be the same. */
function stampOf(file: string): string {
  const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}
