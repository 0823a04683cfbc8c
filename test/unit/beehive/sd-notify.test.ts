/** The talk with systemd, heard on a notify socket of the test's own. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { sdNotify, type SdNotify } from '#beehive/sd-notify.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const notifyTest = needing(test, 'systemd-notify', 'python3');

/** Plays systemd: prints each datagram as a list of its lines, and closes the barrier for which systemd-notify waits. */
const LISTENER = `
import array, json, os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
print('listening', flush=True)
while True:
    data, ancillary, _, _ = sock.recvmsg(65536, 4096)
    for level, kind, content in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds = array.array('i')
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            for fd in fds: os.close(fd)
    if data != b'BARRIER=1': print(json.dumps(data.decode().split('\\n')), flush=True)
`;

interface Rig {
  clock: FakeClock;
  warnings: LogLine[];
  notify: SdNotify;
}

function notifier(env: NodeJS.ProcessEnv, pid = process.pid): Rig {
  const clock = new FakeClock();
  const warnings: LogLine[] = [];
  const log = createLogger({ clock, level: 'warn', write: (line) => warnings.push(line) });
  return { clock, warnings, notify: sdNotify({ env, clock, log, pid }) };
}

const listeners: TestProcess[] = [];
test.after.each(() => listeners.splice(0).forEach((each) => each.kill()));

async function listener(): Promise<{
  socket: string;
  process: TestProcess;
  message: (containing: string, count?: number) => Promise<string[]>;
}> {
  const socket = path.join(tempDir(), 'notify');
  const python = spawnProcess({ command: peerPath('python3'), args: ['-c', LISTENER, socket] });
  listeners.push(python);
  await python.line('listening');
  const messages = (): string[][] => python.lines.slice(1).map((line) => JSON.parse(line) as string[]);
  return {
    socket,
    process: python,
    message: async (containing, count = 1) => {
      await until(() => messages().filter((each) => each.includes(containing)).length >= count, {
        what: `${containing}, ${String(count)} times`,
      });
      return messages().find((each) => each.includes(containing)) ?? [];
    },
  };
}

notifyTest('ready says so, for the right process and in one line; stopping too', async () => {
  const systemd = await listener();
  const { notify, warnings } = notifier({ PATH: process.env.PATH, NOTIFY_SOCKET: systemd.socket }, 4242);
  notify.ready('node a,\nMAINPID=1');
  assert.equal((await systemd.message('READY=1')).filter((line) => line !== '').sort(), [
    'MAINPID=4242',
    'READY=1',
    'STATUS=node a, MAINPID=1',
  ]);
  notify.stopping();
  assert.ok((await systemd.message('STOPPING=1')).includes('MAINPID=4242'));
  assert.equal(warnings, []);
});

notifyTest('the watchdog is fed at half of its time while all is well, and no more after the close', async () => {
  const systemd = await listener();
  const env = { PATH: process.env.PATH, NOTIFY_SOCKET: systemd.socket, WATCHDOG_USEC: '30000000', WATCHDOG_PID: String(process.pid) };
  const { clock, notify, warnings } = notifier(env);
  let healthy = true;
  let asked = 0;
  notify.watch(() => {
    asked++;
    return healthy;
  });
  assert.is(clock.nextInMs, 15_000);
  await clock.advance(15_000);
  assert.ok((await systemd.message('WATCHDOG=1')).includes(`MAINPID=${String(process.pid)}`));
  healthy = false;
  await until(
    async () => {
      await clock.advance(15_000);
      return asked >= 2;
    },
    { what: 'the next look at the health' },
  );
  healthy = true;
  await clock.advance(15_000);
  await systemd.message('WATCHDOG=1', 2);
  assert.is(systemd.process.lines.length, 3, 'nothing was sent while it was not well');
  notify.close();
  assert.is(clock.pending, 0);
  assert.equal(warnings, []);
});

const silent: [title: string, env: NodeJS.ProcessEnv][] = [
  ['without a watchdog', { NOTIFY_SOCKET: '/nowhere' }],
  ['with a watchdog that is none', { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: 'soon' }],
  ["with another process's watchdog", { NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' }],
];
for (const [title, env] of silent) {
  test(`${title} nothing is fed`, () => {
    const { clock, notify } = notifier(env);
    notify.watch(() => true);
    assert.is(clock.pending, 0);
    notify.close();
  });
}

test('without a notify socket nothing is started', async () => {
  for (const env of [{}, { NOTIFY_SOCKET: '' }]) {
    const { clock, notify, warnings } = notifier({ ...env, PATH: '/nowhere', WATCHDOG_USEC: '1000' });
    notify.ready('x');
    notify.watch(() => true);
    await clock.advance(5);
    notify.stopping();
    notify.close();
    assert.equal(warnings, []);
  }
});

test('a missing systemd-notify is told once, and is no reason to stop', async () => {
  const { clock, notify, warnings } = notifier({ PATH: tempDir(), NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '2000' });
  notify.ready('x');
  notify.watch(() => true);
  await until(() => warnings.length > 0, { what: 'the warning' });
  assert.match(String(warnings[0]?.fields['reason']), /ENOENT/);
  for (let round = 0; round < 5; round++) await clock.advance(1);
  notify.close();
  assert.is(warnings.length, 1);
});

test('a systemd-notify that fails is told with its status; one that hangs is not joined by others', async () => {
  const bin = tempDir();
  const started = path.join(bin, 'started');
  mkdirSync(path.join(bin, 'fails'));
  mkdirSync(path.join(bin, 'hangs'));
  writeFileSync(path.join(bin, 'fails/systemd-notify'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  writeFileSync(path.join(bin, 'hangs/systemd-notify'), `#!/bin/sh\necho $$ >>${started}\nexec sleep 60\n`, { mode: 0o755 });
  const failing = notifier({ PATH: `${bin}/fails:${process.env.PATH ?? ''}`, NOTIFY_SOCKET: '/nowhere' });
  failing.notify.ready('x');
  await until(() => failing.warnings.length > 0, { what: 'the warning' });
  assert.is(failing.warnings[0]?.fields['reason'], 'systemd-notify ended with 3');

  const hanging = notifier({ PATH: `${bin}/hangs:${process.env.PATH ?? ''}`, NOTIFY_SOCKET: '/nowhere', WATCHDOG_USEC: '2000' });
  hanging.notify.watch(() => true);
  await hanging.clock.advance(10);
  hanging.notify.close();
  const pids = await until(() => readFileSync(started, 'utf8').trim().split('\n'), { what: 'the start of the one that hangs' });
  for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
  assert.is(pids.length, 1);
});

test.run();
