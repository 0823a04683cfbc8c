/** Owns temporary directories of tests: below the system's, with a short name (Unix sockets fit), gone when the test process ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const made = new Set<string>();
let watched = false;

/** Absolute path of a new empty directory. It is removed at the end of the process unless HIVELET_KEEP_TEMP is set. */
export function tempDir(): string {
  if (!watched) process.once('exit', removeAll);
  watched = true;
  const directory = mkdtempSync(path.join(os.tmpdir(), 'hv-'));
  made.add(directory);
  return directory;
}

/** Removes one earlier than that. */
export function removeTempDir(directory: string): void {
  made.delete(directory);
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

function removeAll(): void {
  if (process.env.HIVELET_KEEP_TEMP !== undefined) return;
  for (const directory of made) removeTempDir(directory);
}
