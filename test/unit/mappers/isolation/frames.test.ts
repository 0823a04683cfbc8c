/** Proves the framing between edgecore and a mapper process: whatever the pieces, and whatever is wrong. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { encodeFrame, FRAME_LIMIT, FrameReader, type Frame } from '#mappers/isolation/frames.ts';

const frames: Frame[] = [
  { kind: 'json', body: { type: 'ping' } },
  { kind: 'mqtt', to: 7, topic: '$hw/events/device/wärme/twin/update', payload: Buffer.from('{"twin":{}}') },
  { kind: 'mqtt', to: 0xffff_ffff, topic: '', payload: Buffer.alloc(0) },
  { kind: 'json', body: { type: 'set', profile: { name: 'a'.repeat(5000) } } },
];

function plain(frame: Frame): unknown {
  return frame.kind === 'json' ? frame : { ...frame, payload: frame.payload.toString('hex') };
}

function inPieces(bytes: Buffer, size: number): Frame[] {
  const reader = new FrameReader();
  const found: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) found.push(...reader.push(bytes.subarray(at, at + size)));
  return found;
}

for (const size of [1, 2, 3, 4, 5, 6, 7, 11, 64, 5000, 100_000]) {
  test(`frames come out as they went in, in pieces of ${String(size)} bytes`, () => {
    const found = inPieces(Buffer.concat(frames.map(encodeFrame)), size);
    assert.equal(found.map(plain), frames.map(plain));
  });
}

test('half a frame is kept for later', () => {
  const bytes = encodeFrame(frames[1]!);
  const reader = new FrameReader();
  assert.equal([...reader.push(bytes.subarray(0, 9))], []);
  assert.equal([...reader.push(bytes.subarray(9))].map(plain), [plain(frames[1]!)]);
});

const head = (length: number, kind: number): Buffer => {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt8(kind, 4);
  return bytes;
};
const faults: [what: string, bytes: Buffer, message: RegExp][] = [
  ['a frame larger than allowed', head(FRAME_LIMIT + 1, 1), /4194305 bytes is announced, 4194304 are allowed/],
  ['a kind that there is not', head(0, 9), /no kind 9/],
  ['text that is no JSON', Buffer.concat([head(1, 1), Buffer.from('{')]), /no JSON/],
  ['an MQTT frame without room for its head', Buffer.concat([head(3, 2), Buffer.alloc(3)]), /too short/],
  ['a topic that is longer than its frame', Buffer.concat([head(6, 2), Buffer.from([0, 0, 0, 0, 0xff, 0xff])]), /longer than its frame/],
];
for (const [what, bytes, message] of faults) {
  test(`${what} breaks the stream`, () => {
    try {
      for (const _ of new FrameReader().push(bytes));
      assert.unreachable();
    } catch (error) {
      assert.ok(isHiveletError(error, 'FRAME_INVALID'));
      assert.match(error.message, message);
    }
  });
}

test('what the other side would refuse is not sent', () => {
  assert.throws(() => encodeFrame({ kind: 'json', body: 'x'.repeat(FRAME_LIMIT) }), /larger than the 4194304 allowed/);
});

test.run();
