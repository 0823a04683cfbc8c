/** Owns what an account of the broker is, and how accounts are written in their file. */
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { isPasswordHash } from './password.ts';
import { filterFault } from './topic.ts';

export interface Account {
  readonly name: string;
  /** A device has the rights of the device of its name; `publish` and `subscribe` come on top. An app has only these. */
  readonly kind: 'device' | 'app';
  /** See `hashPassword`; absent: no password opens this account. */
  readonly password?: string;
  /** A client certificate with this common name opens it. */
  readonly certificate: boolean;
  /** Topic filters, with `%u` for the account's name and `%c` for the client id. */
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export const MAX_ACCOUNTS = 10_000;
const MAX_RULES = 200;
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._@:-]{0,251}[A-Za-z0-9])?$/;
const DEVICE_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Why an account of that name cannot be. */
export function nameFault(name: string, kind: Account['kind']): string | undefined {
  if (kind === 'device' && !DEVICE_NAME.test(name)) {
    return `${JSON.stringify(name)} cannot be the name of a device: lower-case letters, digits, - and . only`;
  }
  return NAME.test(name) ? undefined : `${JSON.stringify(name)} cannot be the name of an account: letters, digits and . _ @ : - only`;
}

/** Why a topic pattern of an account is not one. */
export function patternFault(pattern: string): string | undefined {
  const fault = filterFault(pattern.replaceAll(/%[uc]/g, 'x'));
  return fault === undefined ? undefined : `${JSON.stringify(pattern)} is not a topic pattern: ${fault}`;
}

/** JSON, so that a board needs no YAML reader for it. Throws CONFIG_INVALID with the place. */
export function parseAccounts(text: string, file: string): Map<string, Account> {
  const root = parseJson(text, file);
  if (!isObject(root) || !isObject(root['accounts'])) throw invalid(file, 'accounts', 'it has to be an object of accounts by name');
  const entries = Object.entries(root['accounts']);
  if (entries.length > MAX_ACCOUNTS) throw invalid(file, 'accounts', `there may be ${String(MAX_ACCOUNTS)} at most`);
  return new Map(entries.map(([name, value]) => [name, accountOf(name, value, file)]));
}

export function printAccounts(accounts: ReadonlyMap<string, Account>): string {
  const entries = [...accounts.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, kind, password, certificate, publish, subscribe }) => [
      name,
      {
        kind,
        ...(password === undefined ? {} : { password }),
        ...(certificate ? { certificate } : {}),
        ...(publish.length === 0 ? {} : { publish }),
        ...(subscribe.length === 0 ? {} : { subscribe }),
      },
    ]);
  return `${JSON.stringify({ accounts: Object.fromEntries(entries) as unknown }, undefined, 2)}\n`;
}

/** Nothing of what the account may or how it is opened differs. */
export function sameAccount(one: Account, other: Account): boolean {
  return printAccounts(new Map([[one.name, one]])) === printAccounts(new Map([[other.name, other]]));
}

function accountOf(name: string, value: unknown, file: string): Account {
  const at = `accounts[${JSON.stringify(name)}]`;
  if (!isObject(value)) throw invalid(file, at, 'it has to be an object');
  const { kind = 'device', password, certificate = false } = value;
  if (kind !== 'device' && kind !== 'app') throw invalid(file, `${at}.kind`, 'it has to be "device" or "app"');
  const fault = nameFault(name, kind);
  if (fault !== undefined) throw invalid(file, at, fault);
  if (password !== undefined && (typeof password !== 'string' || !isPasswordHash(password))) {
    throw invalid(file, `${at}.password`, 'it is no hash that `hivelet mqtt account passwd` wrote');
  }
  if (typeof certificate !== 'boolean') throw invalid(file, `${at}.certificate`, 'it has to be true or false');
  return {
    name,
    kind,
    ...(password === undefined ? {} : { password }),
    certificate,
    publish: patterns(value['publish'], file, `${at}.publish`),
    subscribe: patterns(value['subscribe'], file, `${at}.subscribe`),
  };
}

function patterns(value: unknown, file: string, at: string): string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_RULES)
    throw invalid(file, at, `it has to be a list of ${String(MAX_RULES)} patterns at most`);
  return value.map((pattern: unknown, index) => {
    const fault = typeof pattern === 'string' ? patternFault(pattern) : 'it has to be text';
    if (fault !== undefined) throw invalid(file, `${at}[${String(index)}]`, fault);
    return String(pattern);
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HiveletError('CONFIG_INVALID', `${file} is not JSON: ${messageOf(error)}`, { cause: error });
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(file: string, at: string, reason: string): HiveletError {
  return new HiveletError('CONFIG_INVALID', `${file}: ${at}: ${reason}`, { facts: { file, at } });
}
