/** Owns the one place where what a Device names as password, key or certificate becomes bytes (DESIGN section 4, "Secrets and paths"). */
import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { isAbsolute, relative } from 'node:path';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { fieldsAt, fieldsOf, type Fields } from '#device-models/fields.ts';
import { FOR_DEVICES, readSecretReference } from '#device-models/secret-reference.ts';

export interface SecretReferencesOptions {
  /** `<data-dir>/edge/secrets`. */
  folder: string;
  /** The Secret as this node has it from the cloud. */
  secret: (name: { namespace: string; name: string }) => Fields | undefined;
}

/** What mappers see of it. */
export interface SecretReferences {
  /**
   * The bytes behind a reference; `at` is the field that it stands in. Rejects with PROFILE_INVALID, which names field and remedy and never
   * what was written there, since that may be a password.
   */
  resolve(reference: string, at: string): Promise<Buffer>;
}

/** Passwords, keys and chains of certificates are smaller. */
const MOST_BYTES = 64 * 1024;
const DEEPEST = 8;
const ASIDE = constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Bits of a mode: others may read; others or the group may write. */
const OTHERS_READ = 0o004;
const OTHERS_ENTER = 0o001;
const OTHERS_WRITE = 0o022;

export function createSecretReferences({ folder, secret }: SecretReferencesOptions): SecretReferences {
  return {
    async resolve(written, at) {
      const reference = readSecretReference(written, at);
      if (reference.kind === 'file') return readFileOf(folder, reference.file, at);
      const { namespace, name, key } = reference;
      return readKeyOf(secret({ namespace, name }), { key, at, shown: `${namespace}/${name}` });
    },
  };
}

/** So that there is a place to put them, which nobody else may read. Its absence is told when something is looked for in it. */
export async function makeSecretsFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => undefined);
}

function readKeyOf(object: Fields | undefined, { key, at, shown }: { key: string; at: string; shown: string }): Buffer {
  if (object === undefined)
    throw refused(at, `this node has no Secret ${shown}: create it with the label ${labelText()}, in the namespace of the Device`);
  if (fieldsAt(object, 'metadata', 'labels')?.[FOR_DEVICES.label] !== FOR_DEVICES.value)
    throw refused(at, `the Secret ${shown} is not meant for devices: give it the label ${labelText()}`);
  const data = fieldsOf(object['data']) ?? {};
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  if (typeof value !== 'string') {
    const keys = Object.keys(data);
    throw refused(
      at,
      `the Secret ${shown} has no such key: name ${keys.length === 0 ? 'one after adding it' : `one of ${keys.slice(0, 10).join(', ')}`}`,
    );
  }
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length > MOST_BYTES) throw refused(at, `the value in the Secret ${shown} is larger than ${String(MOST_BYTES)} bytes`);
  return bytes;
}

function labelText(): string {
  return `${FOR_DEVICES.label}=${FOR_DEVICES.value}`;
}

/** Each step is opened from the one before, so that nothing that changes meanwhile, and no link, can lead out of the folder. */
async function readFileOf(folder: string, written: string, at: string): Promise<Buffer> {
  const steps = stepsOf(folder, written, at);
  const opened: FileHandle[] = [];
  try {
    let place = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY).catch((error: unknown) => {
      throw refused(at, `${folder} cannot be opened (${messageOf(error)}): make it and put the file there`, error);
    });
    opened.push(place);
    const isOpenToOthers = ((await place.stat()).mode & OTHERS_ENTER) !== 0;
    for (const [index, step] of steps.entries()) {
      const isLast = index === steps.length - 1;
      const kind = isLast ? ASIDE : constants.O_DIRECTORY | ASIDE;
      place = await open(`/proc/self/fd/${String(place.fd)}/${step}`, constants.O_RDONLY | kind).catch((error: unknown) => {
        throw unopened(folder, at, error);
      });
      opened.push(place);
    }
    return await contentOf(place, { folder, at, isOpenToOthers });
  } finally {
    for (const each of opened) await each.close();
  }
}

/** Names below the folder; an absolute path is taken when it lies in it. */
function stepsOf(folder: string, written: string, at: string): string[] {
  const inside = isAbsolute(written) ? relative(folder, written) : written;
  // Not what a path comes to, but what is written: nobody needs `..`.
  const steps = inside.split('/').filter((step) => step !== '' && step !== '.');
  const bad = steps.length === 0 || steps.length > DEEPEST || written.split('/').includes('..') || steps.includes('..');
  if (bad || inside.includes('\0') || steps.some((step) => Buffer.byteLength(step) > 255))
    throw refused(at, `does not name a file below ${folder}: put it there and write its name, or write secret:NAMESPACE/NAME#KEY`);
  return steps;
}

/** Without its cause, which names what was written. */
function unopened(folder: string, at: string, error: unknown): HiveletError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOENT')
    return refused(at, `there is no such file below ${folder}: put it there with mode 0600, or write secret:NAMESPACE/NAME#KEY`);
  if (code === 'ELOOP' || code === 'ENOTDIR')
    return refused(at, `leads over a link or over what is no folder below ${folder}: put the file itself there`);
  if (code === 'EACCES') return refused(at, `the file below ${folder} may not be read: give it to the user of the service, with mode 0600`);
  return refused(at, `the file below ${folder} cannot be opened (${code}): put a plain file there`);
}

interface Found {
  folder: string;
  at: string;
  isOpenToOthers: boolean;
}

async function contentOf(file: FileHandle, { folder, at, isOpenToOthers }: Found): Promise<Buffer> {
  const { mode, size } = await file.stat();
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw refused(at, `is no plain file below ${folder}: put one there`);
  if ((mode & OTHERS_WRITE) !== 0) throw refused(at, `the file below ${folder} may be written by others: chmod 600 it`);
  if (isOpenToOthers && (mode & OTHERS_READ) !== 0)
    throw refused(at, `the file may be read by everybody on this board: chmod 700 ${folder}`);
  if (size > MOST_BYTES) throw refused(at, `the file below ${folder} is larger than ${String(MOST_BYTES)} bytes: name another one`);
  // Not to its end: it may grow meanwhile.
  const buffer = Buffer.alloc(MOST_BYTES + 1);
  let length = 0;
  for (let read = 1; read > 0 && length < buffer.length; length += read) {
    read = (await file.read(buffer, length, buffer.length - length, length)).bytesRead;
  }
  if (length > MOST_BYTES) throw refused(at, `the file below ${folder} is larger than ${String(MOST_BYTES)} bytes: name another one`);
  return buffer.subarray(0, length);
}

function refused(at: string, what: string, cause?: unknown): HiveletError {
  return new HiveletError('PROFILE_INVALID', `${at}: ${what}`, { facts: { path: at }, ...(cause === undefined ? {} : { cause }) });
}
