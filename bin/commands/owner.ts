/** Owns whose the files are that root makes for a service: those of the owner of the data directory. */
import { lchownSync, lstatSync } from 'node:fs';

interface Owner {
  uid: number;
  gid: number;
}

/**
 * Gives what is root's among `files` (folders too) to the owner of `dataDir`; a no-op for other users, and where the folder is root's itself:
 * systemd gives it away, with all that is in it, when a unit with `StateDirectory=` starts for the first time. Links are never followed.
 */
export function handOver(dataDir: string, files: readonly string[], uid: number | undefined = process.getuid?.()): void {
  const owner = uid === 0 ? ownerOf(dataDir) : undefined;
  if (owner === undefined || owner.uid === 0) return;
  for (const file of files) {
    const present = ownerOf(file);
    if (present?.uid === 0) lchownSync(file, owner.uid, owner.gid);
  }
}

function ownerOf(file: string): Owner | undefined {
  const { uid, gid } = lstatSync(file, { throwIfNoEntry: false }) ?? {};
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
