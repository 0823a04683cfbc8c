/** Tests what other tests wait with, listen on, start and clean up. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { havePeer, needing, peerPath, skipTest } from '#test/support/peers.ts';
import { freePorts } from '#test/support/ports.ts';
import { runProcess, spawnProcess } from '#test/support/processes.ts';
import { removeTempDir, tempDir } from '#test/support/temp-dir.ts';
import { until, within } from '#test/support/until.ts';

const failure = async (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => assert.unreachable('it should have failed') as never,
    (error: unknown) => error as Error,
  );

test('until asks again after a false answer and after a failure', async () => {
  let calls = 0;
  const answer = await until(
    () => {
      calls++;
      if (calls === 1) throw new Error('not yet');
      return calls >= 3 ? 'there' : undefined;
    },
    { what: 'the third call', everyMs: 1 },
  );
  assert.is(answer, 'there');
});

test('until names what it waited for and the last failure', async () => {
  const error = await failure(until(() => Promise.reject(new Error('connection refused')), { what: 'a listener', deadlineMs: 30 }));
  assert.match(error.message, /^waited 30 ms in vain for a listener; last failure: connection refused/);
});

test('until does not wait for a probe that never answers', async () => {
  const error = await failure(until(() => new Promise<boolean>(() => undefined), { what: 'an answer', deadlineMs: 30 }));
  assert.match(error.message, 'in vain for an answer');
});

test('within passes a value through and rejects at the deadline', async () => {
  assert.is(await within(Promise.resolve(4), { what: 'four' }), 4);
  assert.match((await failure(within(new Promise(() => undefined), { what: 'nothing', deadlineMs: 5 }))).message, 'in vain for nothing');
});

test('a temporary directory is empty, of its own, and removable', () => {
  const [one, two] = [tempDir(), tempDir()];
  assert.is.not(one, two);
  assert.ok(existsSync(one));
  removeTempDir(one);
  assert.not.ok(existsSync(one));
});

test('temporary directories are gone with the process that made them', async () => {
  const script = "import { tempDir } from '#test/support/temp-dir.ts'; console.log(tempDir());";
  const finished = await runProcess({
    command: process.execPath,
    args: ['--import', 'tsx', '--input-type=module', '-e', script],
  });
  assert.is(finished.code, 0, finished.stderr);
  assert.match(finished.stdout, /hv-/);
  assert.not.ok(existsSync(finished.stdout.trim()));
});

test('free ports differ and can be listened on', async () => {
  const ports = await freePorts(5);
  assert.is(new Set(ports).size, 5);
  for (const port of ports) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a process gives its lines as they come, its input, its exit code', async () => {
  const running = spawnProcess({ command: 'sh', args: ['-c', 'echo one; read word; echo "got $word" >&2; exit 3'], input: 'two\n' });
  assert.is(await running.line('one'), 'one');
  assert.is(await running.line(/^got (\w+)$/), 'got two');
  assert.equal(await running.exited, { code: 3, signal: null });
  assert.equal([running.stdout, running.stderr], ['one\n', 'got two\n']);
});

test('waiting for a line that never comes fails with what was printed', async () => {
  const error = await failure(spawnProcess({ command: 'sh', args: ['-c', 'echo something else'] }).line('ready'));
  assert.match(error.message, /ended \(0\) without printing ready/);
  assert.match(error.message, 'something else');
});

test('a program that does not exist is a rejection, not a crash', async () => {
  assert.match((await failure(spawnProcess({ command: '/no/such/program' }).exited)).message, 'ENOENT');
  assert.match((await failure(spawnProcess({ command: '/no/such/program' }).line('x'))).message, 'ENOENT');
});

test('stop ends the process and whatever it left in its group', async () => {
  const running = spawnProcess({ command: 'sh', args: ['-c', 'sleep 302 & echo child $!; wait'] });
  const child = Number((await running.line(/^child/)).slice(6));
  assert.is((await running.stop()).signal, 'SIGTERM');
  await until(() => !existsSync(`/proc/${String(child)}`) || readFileSync(`/proc/${String(child)}/stat`, 'utf8').includes(') Z '), {
    what: 'the end of the child',
  });
});

test('a skipped test prints its name and reason and leaves the handler alone', () => {
  const printed: string[] = [];
  const skipped: (string | undefined)[] = [];
  const fake = Object.assign(() => assert.unreachable(), { skip: (name?: string) => void skipped.push(name) });
  const write = process.stdout.write.bind(process.stdout);
  try {
    process.stdout.write = (text: string | Uint8Array): boolean => printed.push(String(text)) > 0;
    skipTest(fake, { name: 'talks to it: twice', handler: () => assert.unreachable(), reason: 'it is missing' });
  } finally {
    process.stdout.write = write;
  }
  assert.equal(skipped, ['talks to it: twice']);
  assert.equal(printed, ['SKIP talks to it - twice: it is missing\n']);
});

test('a test whose peers are here runs as it is', () => {
  if (!havePeer('openssl')) return;
  const ran: string[] = [];
  const fake = Object.assign((name: string) => void ran.push(name), { skip: () => assert.unreachable() });
  needing(fake, 'openssl')('uses it', () => undefined);
  assert.equal(ran, ['uses it']);
  assert.ok(existsSync(peerPath('openssl')));
});

test.run();
