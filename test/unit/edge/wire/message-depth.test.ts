/** Owns the proof that no frame can make whoever writes it again run out of stack, and that times are whole numbers. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { contentObject, decodeFrame } from '#wire/message.ts';

const frame = (content: string, header = '"msg_id":"m","timestamp":5'): string => `{"header":{${header}},"route":{},"content":${content}}`;
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

test('a frame may nest as deep as any Kubernetes object does, and no deeper than 200 levels', () => {
  assert.ok(Array.isArray(decodeFrame(frame(nested(150))).content));
  for (const depth of [200, 100_000]) assert.throws(() => decodeFrame(frame(nested(depth))), /nests deeper/);
  assert.throws(() => decodeFrame(frame('{"a":'.repeat(300) + '1' + '}'.repeat(300))), /nests deeper/);
});

test('brackets inside texts do not nest, escaped quotes do not end a text', () => {
  const text = `${'['.repeat(1000)}"\\${'{'.repeat(1000)}`;
  assert.is(decodeFrame(frame(JSON.stringify(text))).content, text);
  assert.equal(decodeFrame(frame(JSON.stringify(Array<string>(500).fill('[')))).content, Array(500).fill('['));
});

test('content that is JSON text is held to the same depth', () => {
  assert.equal(contentObject('{"a":[1]}'), { a: [1] });
  assert.is(contentObject(`{"a":${nested(100_000)}}`), undefined);
  assert.is(contentObject(Buffer.from(`{"a":${nested(300)}}`).toString('base64')), undefined);
});

for (const [timestamp, read] of [
  ['5', 5],
  ['1e999', 0],
  ['-1e999', 0],
  ['1.5', 0],
  ['"5"', 0],
  ['null', 0],
  ['9007199254740993', 0],
] as const) {
  test(`the timestamp ${timestamp} is read as ${String(read)}`, () =>
    assert.is(decodeFrame(frame('1', `"msg_id":"m","timestamp":${timestamp}`)).header.timestamp, read));
}

test.run();
