/** Owns the bytes of a PUBLISH packet (MQTT 3.1.1 section 3.3): one buffer instead of the five small writes of the codec. */

export interface PublishFields {
  topic: string;
  payload: Buffer;
  qos: 0 | 1 | 2;
  retain: boolean;
  dup?: boolean;
  /** Needed for QoS 1 and 2. */
  messageId?: number;
}

const PUBLISH = 0x30;

export function publishFrame({ topic, payload, qos, retain, dup = false, messageId = 0 }: PublishFields): Buffer {
  const topicBytes = Buffer.byteLength(topic);
  const remaining = 2 + topicBytes + (qos > 0 ? 2 : 0) + payload.length;
  const frame = Buffer.allocUnsafe(1 + lengthBytes(remaining) + remaining);
  frame[0] = PUBLISH | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  let at = writeLength(frame, remaining);
  at = frame.writeUInt16BE(topicBytes, at);
  at += frame.write(topic, at);
  if (qos > 0) at = frame.writeUInt16BE(messageId, at);
  payload.copy(frame, at);
  return frame;
}

function lengthBytes(remaining: number): number {
  return remaining < 0x80 ? 1 : remaining < 0x4000 ? 2 : remaining < 0x20_0000 ? 3 : 4;
}

/** Seven bits a byte, the lowest first; answers the position behind it. */
function writeLength(frame: Buffer, remaining: number): number {
  let at = 1;
  let left = remaining;
  do {
    const more = left >= 0x80;
    frame[at++] = (left & 0x7f) | (more ? 0x80 : 0);
    left >>>= 7;
  } while (left > 0);
  return at;
}
