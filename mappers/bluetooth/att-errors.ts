/** Owns the error codes of the attribute protocol: what a device says no with. */

/** Bluetooth Core specification, volume 3, part F, 3.4.1.1. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x01, 'no such handle'],
  [0x02, 'reading is not permitted'],
  [0x03, 'writing is not permitted'],
  [0x04, 'invalid request'],
  [0x05, 'it must be paired first (insufficient authentication)'],
  [0x06, 'the request is not supported'],
  [0x07, 'invalid offset'],
  [0x08, 'insufficient authorization'],
  [0x09, 'its queue is full'],
  [0x0a, 'no such attribute'],
  [0x0b, 'the attribute is not long'],
  [0x0c, 'the encryption key is too short'],
  [0x0d, 'invalid length of the value'],
  [0x0e, 'unlikely error'],
  [0x0f, 'it must be paired first (insufficient encryption)'],
  [0x11, 'insufficient resources'],
  [0x13, 'value not allowed'],
]);

/** noble answers these by pairing, or not at all, and sends nothing more on this link until that is done. */
const BLOCKING: ReadonlySet<number> = new Set([0x04, 0x05, 0x08, 0x0f]);

export interface AttError {
  /** The opcode of the request that was refused. */
  readonly request: number;
  readonly code: number;
}

export const ATT_CHANNEL = 0x0004;
const ERROR_RESPONSE = 0x01;

/** The refusal in a packet of the attribute protocol; undefined when it is another packet. */
export function attErrorIn(packet: Uint8Array): AttError | undefined {
  const [opcode, request, , , code] = packet;
  if (opcode !== ERROR_RESPONSE || request === undefined || code === undefined) return undefined;
  return { request, code };
}

export function attErrorText(code: number): string {
  const hex = `0x${code.toString(16).padStart(2, '0')}`;
  const name = NAMES.get(code) ?? (code >= 0x80 && code <= 0x9f ? 'application error' : 'error');
  return `${name} (${hex})`;
}

/** True when the link can carry no further request after it. */
export function isBlocking(code: number): boolean {
  return BLOCKING.has(code);
}
