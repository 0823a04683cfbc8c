/** Proves what a mapper process is started with: which program, which flags, which environment; and which of its words are told. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scrubbed } from '#mappers/isolation/child-process.ts';
import { LastWords } from '#mappers/isolation/last-words.ts';
import { mapperProgram } from '#mappers/isolation/program.ts';

const root = join(import.meta.dirname, '../../../..');

test('the environment holds what a driver needs, and nothing that opens anything', () => {
  const env = {
    PATH: '/usr/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    NOBLE_HCI_DEVICE_ID: '1',
    MALLOC_MMAP_THRESHOLD_: '262144',
    HIVELET_JOIN_TOKEN: 'secret',
    NOTIFY_SOCKET: '/run/systemd/notify',
    WATCHDOG_USEC: '30000000',
    NODE_OPTIONS: '--inspect',
    KUBECONFIG: '/root/.kube/config',
    HOME: '/root',
  };
  assert.equal(Object.keys(scrubbed(env)), ['PATH', 'LC_ALL', 'TZ', 'NOBLE_HCI_DEVICE_ID', 'MALLOC_MMAP_THRESHOLD_']);
});

test('beside the bundle it is the bundle, with the flags of the board', () => {
  const flags = ['--max-semi-space-size=1', '--optimize-for-size', '--expose-gc', '--inspect=127.0.0.1:9229', '--cpu-prof'];
  const { args, command } = mapperProgram({ file: join(root, 'dist/edgecore.js'), flags, node: '/usr/bin/node' });
  assert.is(command, '/usr/bin/node');
  assert.equal(args, ['--max-semi-space-size=1', '--optimize-for-size', '--expose-gc', join(root, 'dist/mapper.js')]);
});

test('from the sources it is the source, with what reads TypeScript', () => {
  const source = join(root, 'mappers/main.ts');
  const file = join(root, 'edge/main.ts');
  assert.equal(mapperProgram({ file, flags: ['--import', 'tsx'], node: 'node' }).args, ['--import', 'tsx', source]);
  assert.equal(mapperProgram({ file: undefined, flags: ['-e', 'script'], node: 'node' }).args, ['--import', 'tsx', source]);
});

const outputs: [what: string, output: string, best: string][] = [
  ['nothing', '', ''],
  [
    'a native abort',
    'loading\nterminate called after throwing an instance of std::bad_alloc\n',
    'terminate called after throwing an instance of std::bad_alloc',
  ],
  [
    'an error that nobody caught',
    "file:///a.js:1\nimport 'x';\n^\n\nError [ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /a.js\n    at y (z:1)\n  code: 'E'\n}\n\nNode.js v20.20.2\n",
    "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'x' imported from /a.js",
  ],
  [
    'a heap that is full',
    [
      '<--- Last few GCs --->',
      '[4242:0x6d1]     5210 ms: Mark-Compact 63.8 (65.9) -> 63.7 (66.1) MB',
      '<--- JS stacktrace --->',
      'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
      '----- Native stack trace -----',
      ...Array.from({ length: 30 }, (_, frame) => `${frame < 9 ? ' ' : ''}${String(frame + 1)}: 0xca5580 node::Abort() [/usr/bin/node]`),
    ].join('\n'),
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
  ],
  ['a sentence of ours without an end of line', 'mapper: there is no plugin x', 'mapper: there is no plugin x'],
  ['a line that is too long', 'x'.repeat(5000), 'x'.repeat(200)],
];
for (const [what, output, best] of outputs) {
  test(`of ${what}, the best line is told`, async () => {
    const words = new LastWords();
    const stream = Readable.from([Buffer.from(output)], { objectMode: false });
    const lines: string[] = [];
    words.follow(stream, (line) => lines.push(line));
    await finished(stream);
    assert.is(words.best, best);
    assert.ok(lines.every((line) => line.length <= 2000));
  });
}

test.run();
