/** Owns database files that nobody else may read: their library makes them as open as the umask lets it. */
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';

/** What SQLite keeps beside a file gets the mode of the file; what is there from before has the one of that time. */
const BESIDE = ['', '-wal', '-shm'] as const;

/** Makes the file, empty and 0600, or takes the rights of others away. Never throws: what cannot be done, whoever opens the file tells. */
export function makePrivate(file: string): void {
  try {
    // A file that is there is not opened: closing it again would end the locks that this process has on it.
    if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600));
    for (const suffix of BESIDE) if (existsSync(file + suffix)) chmodSync(file + suffix, 0o600);
  } catch {
    // A read-only disk, or another's file.
  }
}
