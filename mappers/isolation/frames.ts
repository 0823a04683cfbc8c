/** Owns the framing between edgecore and the process of a plugin: a length, a kind, a body; and its bounds. Pure. */
import { HiveletError } from '#beehive/errors.ts';

/** What a frame holds. Messages of MQTT have a topic and bytes; all others are one JSON object. */
export type Frame =
  | { readonly kind: 'json'; readonly body: unknown }
  /** `to`: number of the subscription, 0 on the way from the child. */
  | { readonly kind: 'mqtt'; readonly to: number; readonly topic: string; readonly payload: Buffer };

const KINDS = { json: 1, mqtt: 2 } as const;

/** u32 length of what follows, u8 kind. */
const HEAD_BYTES = 5;
/** After the head of an MQTT frame: u32 subscription, u16 length of the topic. */
const MQTT_BYTES = 6;

/** Room for the profile, and for the twin document, of a device with some thousand properties. */
export const FRAME_LIMIT = 4 * 1024 * 1024;

/** Throws INTERNAL when it would be larger than the other side takes. */
export function encodeFrame(frame: Frame): Buffer {
  const body = frame.kind === 'json' ? Buffer.from(JSON.stringify(frame.body)) : mqttBody(frame);
  if (body.length > FRAME_LIMIT)
    throw new HiveletError('INTERNAL', `a message of ${body.length} bytes is larger than the ${FRAME_LIMIT} allowed`);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.writeUInt8(KINDS[frame.kind], 4);
  body.copy(bytes, HEAD_BYTES);
  return bytes;
}

function mqttBody({ to, topic, payload }: { to: number; topic: string; payload: Buffer }): Buffer {
  const name = Buffer.from(topic);
  const head = Buffer.allocUnsafe(MQTT_BYTES);
  head.writeUInt32BE(to, 0);
  head.writeUInt16BE(name.length, 4);
  return Buffer.concat([head, name, payload]);
}

/** Puts frames together from pieces of a stream; holds at most one frame. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #held = 0;
  #wanted = HEAD_BYTES;

  /** The frames that are complete with this piece. Throws FRAME_INVALID when it is no such stream: nothing can be read from it any more. */
  *push(piece: Buffer): Generator<Frame, void> {
    this.#pieces.push(piece);
    this.#held += piece.length;
    while (this.#held >= this.#wanted) {
      const bytes = this.#pieces.length === 1 ? (this.#pieces[0] ?? piece) : Buffer.concat(this.#pieces);
      const end = HEAD_BYTES + lengthOf(bytes);
      if (bytes.length < end) {
        this.#pieces = [bytes];
        this.#wanted = end;
        return;
      }
      this.#pieces = bytes.length === end ? [] : [bytes.subarray(end)];
      this.#held = bytes.length - end;
      this.#wanted = HEAD_BYTES;
      yield decode(bytes.readUInt8(4), bytes.subarray(HEAD_BYTES, end));
    }
  }
}

function lengthOf(bytes: Buffer): number {
  const length = bytes.readUInt32BE(0);
  if (length > FRAME_LIMIT) throw broken(`a frame of ${length} bytes is announced, ${FRAME_LIMIT} are allowed`);
  return length;
}

function decode(kind: number, body: Buffer): Frame {
  if (kind === KINDS.json) return { kind: 'json', body: parse(body) };
  if (kind !== KINDS.mqtt) throw broken(`there is no kind ${kind} of frame`);
  if (body.length < MQTT_BYTES) throw broken('an MQTT frame is too short');
  const end = MQTT_BYTES + body.readUInt16BE(4);
  if (end > body.length) throw broken('the topic is longer than its frame');
  return { kind: 'mqtt', to: body.readUInt32BE(0), topic: body.toString('utf8', MQTT_BYTES, end), payload: body.subarray(end) };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw broken('a frame is no JSON', cause);
  }
}

function broken(what: string, cause?: unknown): HiveletError {
  return new HiveletError('FRAME_INVALID', `the stream between edgecore and the mapper process is broken: ${what}`, { cause });
}
