/** Owns the proof that a child that crashes is started again, one that never came up is told, and stopping leaves nothing behind. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { until, within } from '#test/support/until.ts';
import { KeptChild, readLogLine, stopAll } from '../../bin/commands/children.ts';

const READY = `echo '{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"x.ready","port":5}'`;

function child(script: string): { kept: KeptChild; lines: string[] } {
  const lines: string[] = [];
  const kept = new KeptChild({ name: 'x', command: '/bin/sh', args: ['-c', script], clock: systemClock, line: (text) => lines.push(text) });
  return { kept, lines };
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The message of what the promise rejects with. */
async function failureOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it did not fail');
}

test('a child is ready at its event, and again after a crash', async () => {
  const { kept, lines } = child(`${READY}; sleep 0.05; exit 3`);
  kept.start();
  assert.is((await within(kept.ready, { what: 'ready' })).fields['port'], 5);
  await until(() => lines.filter((line) => line.includes('x.ready')).length >= 2, { what: 'a second life' });
  assert.ok(lines.some((line) => /^it ended \(exit code 3\) and is started again in \d\.\d s$/.test(line)));
  await kept.stop();
});

test('one that ends before it was ready is not started again, and what it said is told', async () => {
  const { kept, lines } = child('echo "edgecore: port 1883 is taken" >&2; exit 1');
  kept.start();
  const message = await failureOf(within(kept.ready, { what: 'failure' }));
  assert.is(message, 'x did not start (exit code 1): port 1883 is taken');
  await kept.ended;
  assert.equal(lines, ['edgecore: port 1883 is taken']);
});

test('a program that is not there is told', async () => {
  const kept = new KeptChild({ name: 'x', command: '/nowhere/x', args: [], clock: systemClock, line: () => undefined });
  kept.start();
  const message = await failureOf(within(kept.ready, { what: 'failure' }));
  assert.match(message, /^x did not start \(spawn \/nowhere\/x ENOENT\)/);
});

test('stopping waits for the end, also of one that is just waiting to be started again', async () => {
  const running = child(`${READY}; exec sleep 60`);
  const crashed = child(`${READY}; exit 1`);
  running.kept.start();
  crashed.kept.start();
  await Promise.all([running.kept.ready, crashed.kept.ready]);
  const pid = running.kept.pid;
  assert.ok(alive(pid));
  await within(stopAll([running.kept, crashed.kept]), { what: 'the end of both' });
  assert.not(alive(pid));
  await running.kept.stop();
});

test('killing takes what the child has started along', async () => {
  const { kept, lines } = child(`sleep 60 & echo $!; ${READY}; wait`);
  kept.start();
  await kept.ready;
  const grandchild = Number(lines.find((line) => /^\d+$/.test(line)));
  kept.kill();
  await until(() => !alive(grandchild), { what: 'the end of the grandchild' });
  await kept.stop();
});

test('only JSON lines of our logger are events', () => {
  assert.is(readLogLine('{"event":"a.b","level":"info","time":"t","x":1}')?.fields['x'], 1);
  for (const text of ['plain', '{"a":1}', '{broken', '']) assert.is(readLogLine(text), undefined, text);
});

test.run();
