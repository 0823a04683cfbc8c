/** Owns the file of the broker's accounts: read by a running edgecore, changed whole by the command line, seen by both at once. */
import { randomUUID } from 'node:crypto';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { chown, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { parseAccounts, printAccounts, sameAccount, type Account } from './accounts.ts';

const LOOK_MS = 2_000;
const MODE = 0o600;
const LOCK_TRIES = 50;
const LOCK_WAIT_MS = 100;

export function accountFile(dataDir: string): string {
  return join(dataDir, 'edge', 'mqtt-accounts.json');
}

/** The accounts as a running broker sees them; without a file there are none. */
export class AccountBook {
  readonly #path: string | undefined;
  readonly #clock: Clock;
  readonly #log: Logger;
  #accounts: ReadonlyMap<string, Account> = new Map();
  #stamp = '';
  #timer: Timer | undefined;
  /** Called with the names of accounts that are gone or have changed. */
  changed: (names: ReadonlySet<string>) => void = () => undefined;

  constructor({ path, clock, log }: { path: string | undefined; clock: Clock; log: Logger }) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
  }

  get size(): number {
    return this.#accounts.size;
  }

  get(name: string): Account | undefined {
    return this.#accounts.get(name);
  }

  /** Reads the file and begins to look after it. Throws CONFIG_INVALID. */
  start(): void {
    if (this.#path === undefined) return;
    this.#stamp = stampOf(this.#path);
    this.#accounts = read(this.#path, this.#stamp, this.#log);
    this.#look();
  }

  /** Looks now: who has just got an account can come in at once. A file that cannot be read changes nothing. */
  refresh(): void {
    const path = this.#path;
    if (path === undefined || this.#timer === undefined) return;
    const stamp = stampOf(path);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    try {
      this.#replace(read(path, stamp, this.#log));
    } catch (error) {
      this.#log.error('mqtt.accounts.unreadable', { path, error: messageOf(error), kept: this.#accounts.size });
    }
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #replace(accounts: ReadonlyMap<string, Account>): void {
    const before = this.#accounts;
    this.#accounts = accounts;
    const differing = [...before.values()].filter(({ name }) => {
      const now = accounts.get(name);
      const then = before.get(name);
      return now === undefined || then === undefined || !sameAccount(now, then);
    });
    this.#log.info('mqtt.accounts.read', { accounts: accounts.size, changed: differing.length });
    this.changed(new Set(differing.map(({ name }) => name)));
  }

  #look(): void {
    this.#timer = this.#clock.timer(LOOK_MS, () => {
      this.refresh();
      this.#look();
    });
  }
}

/** Throws CONFIG_INVALID. */
export function readAccounts(path: string): Map<string, Account> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw new HiveletError('CONFIG_INVALID', `the accounts of the MQTT broker cannot be read: ${messageOf(error)}`, { cause: error });
  }
  return parseAccounts(text, path);
}

/** Reads, lets `edit` change, writes; one at a time over all processes. What it throws leaves the file as it was. */
export async function editAccounts<T>(
  path: string,
  clock: Pick<Clock, 'sleep'>,
  edit: (accounts: Map<string, Account>) => T | Promise<T>,
): Promise<T> {
  const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  if (made !== undefined) await giveToOwnerOf(dirname(made), made);
  const release = await lock(`${path}.lock`, clock);
  try {
    const accounts = readAccounts(path);
    const result = await edit(accounts);
    await writeWhole(path, printAccounts(accounts));
    return result;
  } finally {
    await release();
  }
}

async function lock(path: string, clock: Pick<Clock, 'sleep'>): Promise<() => Promise<void>> {
  for (let left = LOCK_TRIES; ; left--) {
    try {
      const handle = await open(path, 'wx', MODE);
      await handle.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (left === 0) {
        throw new HiveletError(
          'STORE_LOCKED',
          `${path} is there: another \`hivelet mqtt account\` is at work, or one was killed; remove the file then`,
        );
      }
      await clock.sleep(LOCK_WAIT_MS);
    }
  }
}

/** Beside, synced, renamed; it belongs to whom the folder belongs to, as root may write what a service of its own user reads. */
async function writeWhole(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const beside = join(folder, `.${basename(path)}.${randomUUID()}`);
  try {
    const handle = await open(beside, 'wx', MODE);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await giveToOwnerOf(folder, beside);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

async function giveToOwnerOf(folder: string, path: string): Promise<void> {
  const { uid, gid } = await stat(folder);
  if (process.getuid?.() === 0 && uid !== 0) await chown(path, uid, gid);
}

function read(path: string, stamp: string, log: Logger): Map<string, Account> {
  if (stamp !== '' && (statSync(path).mode & 0o077) !== 0) {
    log.warn('mqtt.accounts.exposed', { path, reason: 'others could read it: its mode is 0600 now' });
    chmodSync(path, MODE);
  }
  return readAccounts(path);
}

/** Differs when the file does; '' when there is none. */
function stampOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${String(found.mtimeMs)} ${String(found.size)} ${String(found.ino)}`;
}
