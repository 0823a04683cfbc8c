/** What all programs do alike: data directory, log format, signals, exit status. */
import { homedir } from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultDataDir } from '#beehive/program.ts';
import { runProcess, spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { until, within } from '#test/support/until.ts';

const own = path.join(homedir(), '.local', 'state', 'hivelet');
const directories: [title: string, env: NodeJS.ProcessEnv, uid: number, directory: string][] = [
  ['root', { XDG_STATE_HOME: '/state' }, 0, '/var/lib/hivelet'],
  ['a user with XDG_STATE_HOME', { XDG_STATE_HOME: '/state' }, 1000, '/state/hivelet'],
  ['a user without', {}, 1000, own],
  ['a user with an empty one', { XDG_STATE_HOME: '' }, 1000, own],
  ['a user with a relative one, which the specification wants ignored', { XDG_STATE_HOME: 'state' }, 1000, own],
];
for (const [title, env, uid, directory] of directories) {
  test(`the data directory of ${title} is ${directory === own ? 'below the home' : directory}`, () =>
    assert.is(defaultDataDir(env, uid), directory));
}

const imports = `
import { systemClock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { programLogger, reportFailure, stopSignal } from '#beehive/program.ts';
`;
const node = (code: string) => ({ command: process.execPath, args: ['--import', 'tsx', '--input-type=module', '-e', imports + code] });

test('logs go to stderr, as JSON unless told otherwise, from the level on', async () => {
  const { stdout, stderr } = await runProcess(
    node(`
      programLogger(systemClock, { level: 'info' }).info('one', { a: 1 });
      programLogger(systemClock, { level: 'warn', format: 'text' }).info('hidden');
      programLogger(systemClock, { level: 'info', format: 'text' }).info('two', { b: 2 });
    `),
  );
  const [first = '', second = '', rest] = stderr.split('\n');
  assert.is(stdout, '');
  const { event, level, a } = JSON.parse(first) as Record<string, unknown>;
  assert.equal([event, level, a], ['one', 'info', 1]);
  assert.match(second, /^\d\d:\d\d:\d\d\.\d{3} info {2}two b=2$/);
  assert.is(rest, '');
});

const failures: [title: string, thrown: string, code: number, stderr: RegExp][] = [
  [
    'a failure of ours',
    `new HiveletError('STORE_FULL', 'the card is full: free some space')`,
    1,
    /^edgecore: the card is full: free some space\n$/,
  ],
  ['wrong usage', `new HiveletError('USAGE', 'no such flag')`, 2, /^edgecore: no such flag\n$/],
  ['several faults at once', `new HiveletError('CONFIG_INVALID', 'a:1: x\\na:2: y')`, 1, /^edgecore: a:1: x\nedgecore: a:2: y\n$/],
  ['an error of somebody else', `new TypeError('x is not a function')`, 1, /^edgecore: TypeError: x is not a function\nedgecore: {5}at /],
  ['something that is no error', `'a text'`, 1, /^edgecore: a text\n$/],
];
for (const [title, thrown, code, stderr] of failures) {
  test(`${title} ends the program with ${String(code)} and its words`, async () => {
    const ended = await runProcess(node(`process.exitCode = reportFailure('edgecore', ${thrown});`));
    assert.is(ended.code, code);
    assert.match(ended.stderr, stderr);
  });
}

/** Stops when told to, and then takes for ever; SIGUSR1 moves its clock. */
const STUBBORN = `
let now = 0;
process.on('SIGUSR1', () => { now += 1000; console.log('a second later'); });
setInterval(() => {}, 1000);
const stopped = stopSignal({ monotonic: () => now });
process.on('SIGINT', () => console.log('heard SIGINT'));
process.on('SIGTERM', () => console.log('heard SIGTERM'));
console.log('running');
console.log('stopping for', await stopped);
`;

async function stubborn(first: NodeJS.Signals): Promise<TestProcess> {
  const running = spawnProcess(node(STUBBORN));
  await running.line('running');
  running.signal(first);
  await running.line(`stopping for ${first}`);
  return running;
}

for (const [first, second, code] of [
  ['SIGINT', 'SIGINT', 130],
  ['SIGTERM', 'SIGTERM', 143],
  ['SIGINT', 'SIGTERM', 143],
] as const) {
  test(`${first} asks for a stop; the same again at once changes nothing, ${second} a second later ends the program`, async () => {
    const running = await stubborn(first);
    running.signal(first);
    await until(() => running.lines.filter((line) => line === `heard ${first}`).length === 2, { what: 'the second signal' });
    assert.is(running.running, true);
    running.signal('SIGUSR1');
    await running.line('a second later');
    running.signal(second);
    assert.equal(await within(running.exited, { what: 'its end' }), { code, signal: null });
  });
}

test.run();
