/** Proves that a mapper process that prints without end has to wait, and costs edgecore no more than what is read of it. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { childPlace } from '#mappers/isolation/child-process.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { until } from '#test/support/until.ts';

const MiB = 2 ** 20;

function written(pid: number): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${String(pid)}/io`, 'utf8'))?.[1]);
}

/** How much it has written when it writes no more. */
async function standstill(pid: number): Promise<number> {
  let [last, same] = [0, 0];
  await until(
    () => {
      const now = written(pid);
      same = now === last && now > 0 ? same + 1 : 0;
      last = now;
      return same >= 10;
    },
    { what: 'a process that waits' },
  );
  return last;
}

for (const [what, script] of [
  ['lines', 'yes "the sensor hub says hello"'],
  ['a line without end', "tr '\\\\0' x </dev/zero"],
] as const) {
  test(`${what}: read at once up to a bound, then slowly`, async () => {
    const clock = new FakeClock();
    const lines: LogLine[] = [];
    const life = await childPlace({
      plugin: 'trial',
      program: { command: '/bin/sh', args: ['-c', `exec ${script}`], cwd: '/' },
      env: process.env,
      clock,
      log: createLogger({ clock, level: 'debug', write: (line) => lines.push(line) }),
    }).start(new AbortController().signal);
    const pid = life.pid ?? 0;
    try {
      const first = await standstill(pid);
      assert.ok(first <= 6 * MiB, `${String(first)} bytes at once`);
      await clock.advance(1000);
      const second = await standstill(pid);
      assert.ok(second > first && second <= 8 * MiB, `${String(second)} bytes after a second`);
      assert.ok(lines.length <= 110, `${String(lines.length)} lines in the log`);
    } finally {
      const killed = life.kill();
      let isGone = false;
      void killed.then(() => (isGone = true));
      await until(
        async () => {
          await clock.advance(100);
          return isGone;
        },
        { what: 'its end' },
      );
    }
    assert.match(await life.ended, /^SIGKILL/);
  });
}

test.run();
