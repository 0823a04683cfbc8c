/** Owns the visitor of a Bluetooth property: its characteristic, what desired texts mean in bytes, and how bytes become a number. */
import { HiveletError } from '#beehive/errors.ts';
import { field, fieldsOf, flagOf, numberOf, textOf } from '#device-models/fields.ts';
import type { VisitedProperty } from '../contract.ts';
import { readConverter, type Converter } from './converter.ts';
import { uuidOf } from './uuid.ts';

export interface BluetoothAccess {
  /** As `uuidOf` writes it. */
  readonly characteristic: string;
  /** Only where several services of a device have the same characteristic. */
  readonly service?: string;
  /** Desired text -> bytes. */
  readonly dataWrite?: Readonly<Record<string, Uint8Array>>;
  readonly converter?: Converter;
  readonly signed: boolean;
}

/** Throws PROFILE_INVALID naming `path` + field. */
export function readAccess(input: Record<string, unknown>, path: string, property: VisitedProperty): BluetoothAccess {
  const uuid = field(input, 'characteristicUUID');
  if (uuid === undefined || uuid === null || uuid === '')
    throw new HiveletError('PROFILE_INVALID', `${path}.characteristicUUID is missing: write that of the characteristic`);
  const service = field(input, 'serviceUUID');
  const dataWrite = readDataWrite(field(input, 'dataWrite'), `${path}.dataWrite`);
  const converter = readConverter(field(input, 'dataConverter'), `${path}.dataConverter`);
  const said = flagOf(field(fieldsOf(field(input, 'dataConverter')), 'signed') ?? field(input, 'signed'));
  return {
    characteristic: uuidOf(uuid, `${path}.characteristicUUID`),
    ...(service === undefined || service === null || service === '' ? {} : { service: uuidOf(service, `${path}.serviceUUID`) }),
    ...(dataWrite === undefined ? {} : { dataWrite }),
    ...(converter === undefined ? {} : { converter }),
    signed: said ?? (numberOf(property.minimum) ?? 0) < 0,
  };
}

function readDataWrite(written: unknown, path: string): Readonly<Record<string, Uint8Array>> | undefined {
  if (written === undefined || written === null) return undefined;
  const entries = fieldsOf(written);
  if (entries === undefined) throw new HiveletError('PROFILE_INVALID', `${path} must map texts to bytes, such as "ON": [1]`);
  const read = Object.entries(entries).map(([text, bytes]) => [text, bytesIn(bytes, `${path}.${text}`)] as const);
  // Without a prototype, so that no text is there by inheritance.
  return read.length === 0 ? undefined : Object.assign(Object.create(null) as Record<string, Uint8Array>, Object.fromEntries(read));
}

/** A list of numbers (v1alpha1), or base64 (v1alpha2). */
function bytesIn(written: unknown, path: string): Uint8Array {
  if (written instanceof Uint8Array) return written;
  if (typeof written === 'string' && isBase64(written)) return Buffer.from(written, 'base64');
  const list: readonly unknown[] | undefined = Array.isArray(written) ? written : typeof written === 'number' ? [written] : undefined;
  const bytes = list?.map((each) => numberOf(textOf(each)));
  if (bytes === undefined || !bytes.every((byte) => byte !== undefined && Number.isInteger(byte) && byte >= 0 && byte <= 255))
    throw new HiveletError('PROFILE_INVALID', `${path}: ${JSON.stringify(written)} are no bytes: write a list such as [1, 255], or base64`);
  return Uint8Array.from(bytes.map(Number));
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
