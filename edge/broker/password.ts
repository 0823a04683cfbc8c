/**
 * Owns passwords of broker accounts: how they are kept (scrypt of node:crypto), made and compared. The cost is small in memory, because a board has
 * 14 MiB for all of it: what we make ourselves has 144 random bits, which no cost has to defend.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

interface Cost {
  N: number;
  r: number;
  p: number;
}

/** 128 × N × r = 4 MiB while it is computed. More rounds would make a fleet wait: 200 clients after a restart are 200 computations. */
const COST: Cost = { N: 4096, r: 8, p: 1 };
/** What a file may ask for at most, bytes. */
const MOST_MEMORY = 32 * 1024 * 1024;
const MOST_PARALLEL = 16;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const GENERATED_BYTES = 18;
const FORM = /^scrypt:(\d{1,6}):(\d{1,2}):(\d{1,2}):([A-Za-z0-9+/]{16,128}={0,2}):([A-Za-z0-9+/]{43}=)$/;

/** 24 characters that need no quotes in a shell. */
export function generatePassword(): string {
  return randomBytes(GENERATED_BYTES).toString('base64url');
}

/** `scrypt:N:r:p:SALT:HASH`, salt and hash in base64. */
export async function hashPassword(password: Buffer): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), hash.toString('base64')].join(':');
}

export function isPasswordHash(text: string): boolean {
  return parse(text) !== undefined;
}

/** One thread of the pool for some 50 ms on a small board; the event loop goes on. */
export async function verifyPassword(password: Buffer, stored: string): Promise<boolean> {
  const parsed = parse(stored);
  return parsed !== undefined && timingSafeEqual(await derive(password, parsed.salt, parsed.cost), parsed.hash);
}

function parse(text: string): { cost: Cost; salt: Buffer; hash: Buffer } | undefined {
  const [, N, r, p, salt, hash] = FORM.exec(text) ?? [];
  if (salt === undefined || hash === undefined) return undefined;
  const cost = { N: Number(N), r: Number(r), p: Number(p) };
  const powerOfTwo = cost.N > 1 && (cost.N & (cost.N - 1)) === 0;
  if (!powerOfTwo || cost.r < 1 || cost.p < 1 || cost.p > MOST_PARALLEL || 128 * cost.N * cost.r > MOST_MEMORY) return undefined;
  return { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

function derive(password: Buffer, salt: Buffer, cost: Cost): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, { ...cost, maxmem: 2 * MOST_MEMORY }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
