/** Owns deviceProfile.json on the disk: a reader sees the old file or the new one, also after a power cut. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fieldsOf, listOf, nameOf } from '#device-models/fields.ts';

/** Undefined when there is none that can be read. */
export function readProfileFile(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}

/** Makes the folder when it is missing. Rejects with what the file system says. */
export async function writeProfileFile(file: string, { text, mode }: { text: string; mode: number }): Promise<void> {
  const folder = path.dirname(file);
  await mkdir(folder, { recursive: true });
  const made = path.join(folder, `.${path.basename(file)}.new`);
  await rm(made, { force: true });
  const handle = await open(made, 'wx', mode);
  try {
    // The mask of the process must not take from the readers what the configuration gives them.
    await handle.chmod(mode);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(made, file);
}

/** The devices of a file in either layout. */
export function deviceIdsIn(text: string | undefined): string[] {
  if (text === undefined) return [];
  try {
    return listOf(fieldsOf(JSON.parse(text))?.['deviceInstances']).flatMap((entry) => nameOf(fieldsOf(entry)?.['id']) ?? []);
  } catch {
    return [];
  }
}
