/** Proves how accounts are written, that their file is changed whole and by one at a time, and how passwords are kept and checked. */
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { createLogger, silentLogger, type LogLine } from '#beehive/log.ts';
import { AccountBook, editAccounts, readAccounts } from '#edge/broker/account-file.ts';
import { parseAccounts, printAccounts, type Account } from '#edge/broker/accounts.ts';
import { PasswordCheck, type Attempt } from '#edge/broker/password-check.ts';
import { generatePassword, hashPassword, isPasswordHash, verifyPassword } from '#edge/broker/password.ts';
import { Pace } from '#edge/broker/pace.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const device = (name: string, more: Partial<Account> = {}): Account => ({
  name,
  kind: 'device',
  certificate: true,
  publish: [],
  subscribe: [],
  ...more,
});

test('accounts are read as they were written', () => {
  const accounts = new Map([
    ['b', device('b', { kind: 'app', publish: ['x/%u/#'], subscribe: ['y/+'] })],
    ['a', device('a')],
  ]);
  const text = printAccounts(accounts);
  assert.equal([...parseAccounts(text, 'f').keys()], ['a', 'b']);
  assert.equal(parseAccounts(text, 'f').get('b'), accounts.get('b'));
});

test('what is wrong in the file is named with its place', () => {
  const fault = (text: string): string => {
    try {
      parseAccounts(text, 'accounts.json');
      return 'fine';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(fault('{'), /accounts\.json is not JSON/);
  assert.match(fault('[]'), /accounts\.json: accounts: it has to be an object/);
  assert.match(fault('{"accounts":{"A b":{"kind":"app"}}}'), /accounts\["A b"\]: .* cannot be the name of an account/);
  assert.match(fault('{"accounts":{"Upper":{}}}'), /cannot be the name of a device/);
  assert.match(fault('{"accounts":{"__proto__":{"kind":"app"}}}'), /cannot be the name of an account/);
  assert.match(fault('{"accounts":{"a":{"password":"plain"}}}'), /accounts\["a"\]\.password: it is no hash/);
  assert.match(fault('{"accounts":{"a":{"publish":["x/#/y"]}}}'), /accounts\["a"\]\.publish\[0\]: .*# must be the last level/);
});

test('a password is kept as a salted scrypt hash that only it opens, and no file makes us compute for long', async () => {
  const password = Buffer.from(generatePassword());
  assert.match(password.toString(), /^[\w-]{24}$/);
  const [one, other] = [await hashPassword(password), await hashPassword(password)];
  assert.is.not(one, other);
  assert.ok(await verifyPassword(password, one));
  assert.not.ok(await verifyPassword(Buffer.from('x'), one));
  assert.not.ok(await verifyPassword(password, one.replace('4096', '2048')));
  for (const cost of ['999999:8:2', '4095:8:2', '4096:99:2', '4096:8:99', '65536:99:1', '0:8:1']) {
    assert.not.ok(isPasswordHash(one.replace('4096:8:1', cost)), cost);
  }
});

test('many edits at once are all there; the file is private and nothing is left beside it', async () => {
  const path = join(tempDir(), 'edge', 'accounts.json');
  const names = Array.from({ length: 8 }, (_, index) => `d${String(index)}`);
  const alive = setInterval(() => undefined, 1_000); // timers of the Clock keep no process
  await Promise.all(names.map((name) => editAccounts(path, systemClock, (all) => void all.set(name, device(name)))));
  clearInterval(alive);
  assert.equal([...readAccounts(path).keys()].toSorted(), names);
  assert.is(statSync(path).mode & 0o777, 0o600);
  await editAccounts(path, systemClock, () => Promise.reject(new Error('no'))).catch(() => undefined);
  assert.equal([...readAccounts(path).keys()], names);
  assert.equal(readdirSync(dirname(path)), ['accounts.json']);
});

test('a running broker sees changes within two seconds, tells which accounts differ, and keeps what it has when the file is broken', async () => {
  const clock = new FakeClock();
  const path = join(tempDir(), 'accounts.json');
  const lines: LogLine[] = [];
  const book = new AccountBook({ path, clock, log: createLogger({ clock, write: (line) => lines.push(line) }) });
  const told: string[][] = [];
  book.changed = (names) => void told.push([...names]);
  book.start();
  assert.is(book.size, 0);
  await editAccounts(path, systemClock, (all) => void all.set('a', device('a')).set('b', device('b')));
  await clock.advance(2_000);
  assert.is(book.size, 2);
  await editAccounts(path, systemClock, (all) => void all.set('b', device('b', { publish: ['x'] })).set('c', device('c')));
  await clock.advance(2_000);
  assert.equal(told, [[], ['b']]);
  const good = readFileSync(path, 'utf8');
  writeFileSync(path, good.slice(0, 20));
  await clock.advance(10_000);
  assert.is(book.size, 3);
  assert.is(lines.filter(({ event }) => event === 'mqtt.accounts.unreadable').length, 1);
  writeFileSync(path, good);
  chmodSync(path, 0o644);
  book.refresh();
  assert.is(statSync(path).mode & 0o777, 0o600, 'a file that others could read is theirs no longer');
  book.stop();
});

test('without a file, or with a broken one at the start, it is plain what holds', () => {
  const clock = new FakeClock();
  const directory = tempDir();
  const none = new AccountBook({ path: join(directory, 'none', 'a.json'), clock, log: silentLogger() });
  none.start();
  assert.is(none.size, 0);
  none.stop();
  mkdirSync(join(directory, 'b'));
  writeFileSync(join(directory, 'b', 'a.json'), '{}');
  assert.throws(() => new AccountBook({ path: join(directory, 'b', 'a.json'), clock, log: silentLogger() }).start(), /a\.json: accounts/);
});

interface Computation {
  password: string;
  finish(right: boolean): void;
}

function slowCheck(clock: FakeClock): { check: PasswordCheck; open: Computation[] } {
  const open: Computation[] = [];
  const check = new PasswordCheck(clock, (password) => new Promise((finish) => open.push({ password: password.toString(), finish })));
  return { check, open };
}

const attempt = (password: string, more: Partial<Attempt> = {}): Attempt => ({
  account: 'a',
  hash: 'h1',
  password: Buffer.from(password),
  address: '10.0.0.1',
  wanted: () => true,
  ...more,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('passwords are computed one at a time, addresses take turns, and nobody computes for who has left', async () => {
  const { check, open } = slowCheck(new FakeClock());
  const answers = [
    check.right(attempt('flood 1')),
    check.right(attempt('flood 2')),
    check.right(attempt('flood 3')),
    check.right(attempt('gone', { address: '10.0.0.2', wanted: () => false })),
    check.right(attempt('quiet', { address: '10.0.0.3' })),
  ];
  const order: string[] = [];
  for (let i = 0; i < 4; i++) {
    await turn();
    const next = open.shift();
    assert.is(open.length, 0, 'one at a time');
    order.push(next?.password ?? '');
    next?.finish(next.password === 'quiet');
  }
  assert.equal(order, ['flood 1', 'flood 2', 'quiet', 'flood 3'], 'flood 2 was next when the others came');
  assert.equal(await Promise.all(answers), [false, false, false, false, true]);
});

test('what was found out is remembered: right for hours, wrong for a minute, until the password changes', async () => {
  const clock = new FakeClock();
  const { check, open } = slowCheck(clock);
  const first = [check.right(attempt('right')), check.right(attempt('right')), check.right(attempt('wrong'))];
  await turn();
  open.shift()?.finish(true);
  await turn();
  assert.is(open[0]?.password, 'wrong', 'the second of the same was answered by the first');
  open.shift()?.finish(false);
  assert.equal(await Promise.all(first), [true, true, false]);
  await clock.advance(59_000);
  assert.is(await check.right(attempt('right')), true);
  assert.is(await check.right(attempt('wrong')), false);
  await clock.advance(2_000);
  const again = check.right(attempt('wrong'));
  await turn();
  assert.is(open.shift()?.password, 'wrong');
  const changed = check.right(attempt('right', { hash: 'h2' }));
  check.close();
  assert.equal(await Promise.all([changed]), [false]);
  void again;
});

test('a client may send ten seconds of its pace at once and then its pace', async () => {
  const clock = new FakeClock();
  const pace = new Pace(clock, 10);
  const taken = (): number => {
    let count = 0;
    while (pace.take()) count++;
    return count;
  };
  assert.is(taken(), 100);
  await clock.advance(500);
  assert.is(taken(), 5);
  await clock.advance(60_000);
  assert.is(taken(), 100);
});

test.run();
