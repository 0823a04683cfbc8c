/** Owns the files of a simulated IIO sensor: as the kernel shows them, and unreadable on demand. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';

/** A file of plain text cannot fail to be read; the first page of a process's memory can: its read answers EIO, as a DHT11's does. */
const UNREADABLE = '/proc/self/mem';
const ALL = '*';

export class SensorFiles {
  readonly directory: string;
  #texts: ReadonlyMap<string, string> = new Map();
  /** Reason -> the file that cannot be read because of it, or all. */
  readonly #failures = new Map<string, string>();
  /** One change of the files after the other. */
  #work: Promise<void> = Promise.resolve();

  /** Below `root`, what the mapper gets as its sysfs root, lies bus/iio/devices/iio:device`index`. */
  constructor({ root, index }: { root: string; index: number }) {
    this.directory = path.join(root, 'bus/iio/devices', `iio:device${index}`);
  }

  /** Throws CONFIG_INVALID when the directory cannot be made. */
  async make(name: string): Promise<void> {
    try {
      await mkdir(this.directory, { recursive: true });
      await writeFile(path.join(this.directory, 'name'), `${name}\n`);
    } catch (error) {
      throw new HiveletError('CONFIG_INVALID', `${this.directory} cannot be written: ${messageOf(error)}; choose another --root`, {
        cause: error,
      });
    }
  }

  /** File name -> what is in it. */
  show(texts: ReadonlyMap<string, string>): Promise<void> {
    this.#texts = texts;
    return this.#apply();
  }

  /** Reads of one file, or of all, answer EIO until it is called again with false. */
  fail(why: string, failing: boolean, file: string = ALL): Promise<void> {
    if (failing) this.#failures.set(why, file);
    else this.#failures.delete(why);
    return this.#apply();
  }

  async remove(): Promise<void> {
    await this.#work;
    await rm(this.directory, { recursive: true, force: true });
  }

  /** By rename, so that a reader sees the old file or the new one. */
  #apply(): Promise<void> {
    const work = this.#work.then(async () => {
      const failing = new Set(this.#failures.values());
      for (const [file, text] of this.#texts) {
        const made = path.join(this.directory, `.${file}`);
        await rm(made, { force: true });
        await (failing.has(ALL) || failing.has(file) ? symlink(UNREADABLE, made) : writeFile(made, `${text}\n`));
        await rename(made, path.join(this.directory, file));
      }
    });
    this.#work = work.catch(() => undefined);
    return work;
  }
}
