/** Log lines: levels, fields, the two formats, and that no field can break a line. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HiveletError } from '#beehive/errors.ts';
import { createLogger, formatJson, formatText, silentLogger, type LogLevel, type LogLine } from '#beehive/log.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

const clock = new FakeClock({ wallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6) });
const levels = ['debug', 'info', 'warn', 'error'] as const;

function logged(level: LogLevel, speak: (log: ReturnType<typeof createLogger>) => void): LogLine[] {
  const lines: LogLine[] = [];
  speak(createLogger({ clock, level, write: (line) => lines.push(line) }));
  return lines;
}

const line = (fields: Record<string, unknown>): LogLine => ({
  time: '2026-01-02T03:04:05.006Z',
  level: 'info',
  event: 'twin.stored',
  fields,
});
const json = (fields: Record<string, unknown>): Record<string, unknown> => JSON.parse(formatJson(line(fields))) as Record<string, unknown>;

for (const [index, level] of levels.entries()) {
  test(`at ${level} nothing below it is written`, () => {
    const lines = logged(level, (log) => levels.forEach((each) => log[each]('event')));
    assert.equal(
      lines.map((each) => each.level),
      levels.slice(index),
    );
  });
}

test('a child adds its fields, and the fields of a line win', () => {
  const [only] = logged('info', (log) => log.child({ module: 'twin', device: 'a' }).child({ part: 1 }).info('event', { device: 'b' }));
  assert.equal(only, { time: '2026-01-02T03:04:05.006Z', level: 'info', event: 'event', fields: { module: 'twin', part: 1, device: 'b' } });
});

test('the silent one says nothing, its children neither', () => {
  const log = silentLogger();
  for (const each of levels) log.child({}).child({})[each]('event', {});
});

test('JSON lines begin with time, level and event, which no field replaces', () => {
  assert.is(formatJson(line({ device: 'a' })), '{"time":"2026-01-02T03:04:05.006Z","level":"info","event":"twin.stored","device":"a"}');
  assert.equal(json({ event: 'forged', level: 'error', time: 0, device: 'a' }), {
    time: '2026-01-02T03:04:05.006Z',
    level: 'info',
    event: 'twin.stored',
    device: 'a',
  });
});

const loop: Record<string, unknown> = {};
loop['self'] = loop;
const endless = new Error('endless');
endless.cause = endless;

const written: [title: string, value: unknown, json: unknown, text: string][] = [
  ['a text', 'plain', 'plain', 'plain'],
  ['an empty text', '', '', '""'],
  ['a text with a space', 'two words', 'two words', '"two words"'],
  ['a text with a line feed', 'a\nb', 'a\nb', '"a\\nb"'],
  ['a text with an escape sequence', '\u001b[31mred\u009b', '\u001b[31mred\u009b', '"\\u001b[31mred\\u009b"'],
  ['a number', 4, 4, '4'],
  ['a big integer', 2n ** 63n, '9223372036854775808', '9223372036854775808'],
  ['nothing', undefined, undefined, 'undefined'],
  ['an error', new Error('out of order'), { message: 'out of order' }, '"out of order"'],
  ['an error with a code', new HiveletError('STORE_FULL'), { message: 'the disk is full', code: 'STORE_FULL' }, '"the disk is full"'],
  [
    'an error with a cause',
    new HiveletError('LINK_CLOSED', 'closed', { cause: new Error('why') }),
    { message: 'closed', code: 'LINK_CLOSED', cause: { message: 'why' } },
    'closed',
  ],
  ['an error inside', { error: new Error('deep') }, { error: { message: 'deep' } }, '{"error":{"message":"deep"}}'],
  ['bytes', Buffer.from('secret'), '6 bytes', '"6 bytes"'],
  ['an array of bytes', new Uint8Array(3), '3 bytes', '"3 bytes"'],
  ['a list', [1, 'a'], [1, 'a'], '[1,"a"]'],
];
for (const [title, value, inJson, inText] of written) {
  test(`${title} is written in both formats`, () => {
    assert.equal(json({ value })['value'], inJson);
    assert.is(formatText(line({ value })), `03:04:05.006 info  twin.stored value=${inText}`);
  });
}

test('a circle, and a value that refuses to be written, cost the fields but not the line', () => {
  const refusing = {
    toJSON: () => {
      throw new Error('no');
    },
  };
  for (const value of [loop, refusing]) {
    assert.equal(json({ device: 'a', value })['unwritable'], ['device', 'value']);
    assert.is(formatText(line({ value })), '03:04:05.006 info  twin.stored value=unwritable');
  }
});

test('an error that is its own cause ends, and a text that is too long is cut', () => {
  assert.ok(formatJson(line({ error: endless })).length < 500);
  const cut = json({ payload: 'x'.repeat(10_000) })['payload'] as string;
  assert.is(cut, `${'x'.repeat(4096)}… (10000 characters)`);
  assert.ok(formatText(line({ payload: 'x'.repeat(10_000) })).length < 4300);
});

test('every JSON line is one line', () => {
  assert.is(formatJson(line({ a: 'x\r\ny', b: { c: '\n' } })).split(/[\r\n]/).length, 1);
});

test.run();
