/** Owns the protocol block of a Bluetooth device: which one in the air it is. */
import { HiveletError } from '#beehive/errors.ts';
import { field, numberOf, textOf } from '#device-models/fields.ts';
import { addressOf, localNameOf } from './uuid.ts';

export interface BluetoothLink {
  /** `a0:e6:f8:00:00:01`, or '': whichever is heard first of those that call themselves `localName`. */
  readonly address: string;
  /** As `localNameOf` writes it; '' where there is an address. */
  readonly localName: string;
  /** Longest wait for one answer of the device. */
  readonly timeoutMs: number;
}

/** A device answers in each connection event, which is at most 4 s after the last one; most take 0.05 s. */
const TIMEOUT_MS = 3000;
const MIN_TIMEOUT_MS = 100;
/** The attribute protocol itself gives up a request after 30 s. */
const MAX_TIMEOUT_MS = 30_000;

/** Throws PROFILE_INVALID naming the field below `path`. */
export function readLink(input: Record<string, unknown>, path: string): BluetoothLink {
  const written = field(input, 'macAddress') ?? field(input, 'address');
  const isMissing = written === undefined || written === null || written === '';
  const timeoutMs = readTimeout(field(input, 'timeout'), path);
  const localName = isMissing ? localNameOf(textOf(field(input, 'localName')) ?? '') : '';
  if (localName !== '') return { address: '', localName, timeoutMs };
  const address = typeof written === 'string' ? addressOf(written) : undefined;
  if (address === undefined) {
    const fault = isMissing ? 'is missing' : `${JSON.stringify(written)} is no address`;
    const remedy =
      typeof written === 'number' ? 'write it in quotes' : 'write one such as "a0:e6:f8:00:00:01" (`hivelet discover ble` finds it)';
    throw new HiveletError('PROFILE_INVALID', `${path}.bluetooth.macAddress ${fault}: ${remedy}`);
  }
  return { address, localName, timeoutMs };
}

/** Devices of the same key are one. */
export function linkKeyOf({ address, localName }: BluetoothLink): string {
  return address === '' ? JSON.stringify(localName) : address;
}

function readTimeout(written: unknown, path: string): number {
  if (written === undefined || written === null || written === '') return TIMEOUT_MS;
  const ms = numberOf(written);
  if (ms === undefined || ms < MIN_TIMEOUT_MS || ms > MAX_TIMEOUT_MS)
    throw new HiveletError(
      'PROFILE_INVALID',
      `${path}.timeout: ${JSON.stringify(written)} is no time-out: write ${MIN_TIMEOUT_MS} to ${MAX_TIMEOUT_MS} ms`,
    );
  return ms;
}
