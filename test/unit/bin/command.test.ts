/** Owns the proof that flags are read, faults are one sentence, and help says everything. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { commonFlags, expectArgs, helpOf, parseCommandLine, type FlagSpecs } from '../../../bin/commands/command.ts';
import { commands } from '../../../bin/commands/table.ts';

const specs: FlagSpecs = { ...commonFlags, once: { type: 'boolean', help: 'x' }, port: { type: 'string', short: 'p', help: 'y' } };

test('flags and arguments may be mixed, repeated flags add up, the last single one counts', () => {
  const { args, flags } = parseCommandLine(specs, [
    'a',
    '--set',
    'x.y=1',
    '--once',
    'b',
    '--set=z=2 3',
    '-p',
    '5',
    '--port',
    '6',
    '--',
    '--c',
  ]);
  assert.equal(args, ['a', 'b', '--c']);
  assert.equal(flags.texts('set'), ['x.y=1', 'z=2 3']);
  assert.ok(flags.has('once'));
  assert.not(flags.has('help'));
  assert.is(flags.text('port'), '6');
  assert.is(flags.text('config'), undefined);
});

test('a flag that is not there names the nearest one', () => {
  assert.throws(() => parseCommandLine(specs, ['--onec']), /^there is no flag --onec; did you mean --once\?$/);
  assert.throws(() => parseCommandLine(specs, ['--fog']), /^there is no flag --fog$/);
  assert.throws(() => parseCommandLine(specs, ['--port']), /^--port needs a value behind it$/);
  assert.throws(() => parseCommandLine(specs, ['--port', '--once']), /^--port needs a value behind it$/);
  assert.throws(() => parseCommandLine(specs, ['--once=1']), /^Option '--once' does not take an argument$/);
});

test('too few and too many arguments are told', () => {
  assert.throws(() => expectArgs([], { least: 1, most: 1, what: 'write a name' }), /^an argument is missing: write a name$/);
  assert.throws(() => expectArgs(['a', 'b'], { least: 1, most: 1, what: 'write a name' }), /^"b" is one argument too many: write a name$/);
  expectArgs(['a'], { least: 1, most: 1, what: '' });
});

test('each command has a help with its usage, its flags and the common ones', async () => {
  for (const { name, load } of commands) {
    if (load === undefined) continue;
    const { command } = await load();
    const help = helpOf(command);
    for (const usage of command.usage) assert.ok(usage.startsWith(name), usage);
    for (const flag of [...Object.keys(command.flags), 'help', 'config', 'set', 'data-dir']) assert.match(help, `--${flag}`);
    assert.ok(
      help.split('\n').every((line) => line.length <= 150),
      help,
    );
    assert.ok(command.about.length > 0, name);
  }
});

test.run();
