/** Tests the test runner on files that end in every way a test file can. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess, type Finished } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../../..');
const fixtures = path.join(import.meta.dirname, 'fixtures/runner');

function run(args: string[], env: Record<string, string | undefined> = {}): Promise<Finished> {
  return runProcess({
    command: process.execPath,
    args: ['--import', 'tsx', 'test/run.ts', ...args],
    cwd: root,
    env: { HIVELET_TEST_ROOT: fixtures, CI: undefined, ...env },
    deadlineMs: 60_000,
  });
}

const lastLine = (finished: Finished): string | undefined => finished.stdout.trimEnd().split('\n').at(-1);

test('a file whose tests pass counts its tests and exits 0', async () => {
  const finished = await run(['unit/passing']);
  assert.is(lastLine(finished), '2 passed, 0 failed, 0 skipped');
  assert.is(finished.code, 0);
  assert.match(finished.stdout, /^ok {3}test\/unit\/passing\.test\.ts {2}2 passed {2}\d/m);
});

test('a failing test is named last again, after its output', async () => {
  const finished = await run(['unit/failing', 'unit/passing']);
  assert.is(lastLine(finished), '3 passed, 1 failed, 0 skipped');
  assert.is(finished.code, 1);
  assert.match(finished.stdout, 'what the failing file printed');
  assert.is(finished.stdout.trimEnd().split('\n').at(-2), 'FAIL test/unit/failing.test.ts > two is three');
});

const broken: [file: string, counts: string, reason: RegExp][] = [
  ['zero-tests', '0 passed, 1 failed, 0 skipped', /has no tests: is test\.run\(\) missing\?/],
  ['no-tests-at-all', '0 passed, 1 failed, 0 skipped', /has no tests: is test\.run\(\) missing\?/],
  ['hanging', '0 passed, 1 failed, 0 skipped', /> not done after 1\.5 s/],
  ['never-settling', '0 passed, 1 failed, 0 skipped', /ended with exit code 1 before its tests had finished/],
  ['unhandled-rejection', '1 passed, 1 failed, 0 skipped', /ended with exit code 1 though its tests passed/],
  ['before-hook', '0 passed, 2 failed, 0 skipped', /a before or after hook failed/],
  ['leaves-a-process', '1 passed, 1 failed, 0 skipped', /left running: sleep 301/],
  ['skipping-silently', '1 passed, 1 failed, 1 skipped', /without a printed line "SKIP <name>: <reason>"/],
];
for (const [file, counts, reason] of broken) {
  test(`${file} is a failure with its reason`, async () => {
    const finished = await run([`unit/${file}.`]);
    assert.is(lastLine(finished), counts);
    assert.is(finished.code, 1);
    assert.match(finished.stdout, reason);
  });
}

test('a file with real processes that failed is run once more alone; what passes then is named', async () => {
  const finished = await run(['--e2e', 'unsteady'], { UNSTEADY_MARKER: path.join(tempDir(), 'marker') });
  assert.is(lastLine(finished), '1 passed, 0 failed, 0 skipped');
  assert.is(finished.code, 0);
  assert.match(finished.stdout, /^UNSTEADY test\/e2e\/unsteady\.test\.ts: failed at first, passed alone$/m);
});

test('--live shows what the files print, and gives no second look', async () => {
  const finished = await run(['--live', '--e2e', 'unsteady'], { UNSTEADY_MARKER: path.join(tempDir(), 'marker') });
  assert.match(finished.stdout, /^ {2}Total: {5}1$/m, "the file's own words");
  assert.is(lastLine(finished), '0 passed, 1 failed, 0 skipped');
});

test('what fails again has failed', async () => {
  const finished = await run(['--e2e', 'failing']);
  assert.is(lastLine(finished), '0 passed, 1 failed, 0 skipped');
  assert.is(finished.code, 1);
  assert.is(finished.stdout.match(/^FAIL test\/e2e\/failing\.test\.ts {2}/gm)?.length, 2);
});

test('a hanging file says what it holds open', async () => {
  assert.match((await run(['unit/hanging'])).stdout, /still open: .*Timeout/);
});

test('a blocked file is ended together with children that left its process group', async () => {
  const pidFile = path.join(tempDir(), 'pid');
  const finished = await run(['unit/busy'], { CHILD_PID_FILE: pidFile });
  assert.is(lastLine(finished), '0 passed, 1 failed, 0 skipped');
  const child = Number(readFileSync(pidFile, 'utf8'));
  await until(() => !existsSync(`/proc/${String(child)}`) || readFileSync(`/proc/${String(child)}/stat`, 'utf8').includes(') Z '), {
    what: 'the end of the child in another session',
  });
});

test('a skip is listed with its name and reason and is no failure', async () => {
  const finished = await run(['unit/skipping.']);
  assert.is(lastLine(finished), '1 passed, 0 failed, 1 skipped');
  assert.is(finished.code, 0);
  assert.match(finished.stdout, 'SKIP talks to mosquitto - both ways: mosquitto is missing: install it  (test/unit/skipping.test.ts)');
});

test('more than five skips are a failure in CI only', async () => {
  const here = await run(['--integration']);
  assert.equal([here.code, lastLine(here)], [0, '1 passed, 0 failed, 6 skipped']);
  const ci = await run(['--integration'], { CI: 'true' });
  assert.equal([ci.code, lastLine(ci)], [1, '1 passed, 1 failed, 6 skipped']);
});

test('a filter that matches nothing and an unknown option are wrong usage', async () => {
  assert.is((await run(['no-such-file'])).code, 2);
  const unknown = await run(['--fast']);
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, 'unknown option --fast');
});

test.run();
