/** Owns Bluetooth UUIDs and addresses: one form for every way in which people write them. */
import { HiveletError } from '#beehive/errors.ts';

/** What a 16- or 32-bit UUID is short for. */
const BASE = '00001000800000805f9b34fb';

/**
 * 32 lower-case hexadecimal digits for a UUID of 16, 32 or 128 bits, with or without dashes, braces, `0x` or `urn:uuid:`, in any case.
 * Throws PROFILE_INVALID naming `path`.
 */
export function uuidOf(written: unknown, path: string): string {
  const text = textIn(written)
    .trim()
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replace(/^\{(.*)\}$/, '$1')
    .replace(/^0x/, '')
    .replaceAll('-', '');
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  if (/^(?:[0-9a-f]{4}|[0-9a-f]{8})$/.test(text)) return text.padStart(8, '0') + BASE;
  const shown = JSON.stringify(written) ?? 'nothing';
  const remedy = typeof written === 'number' ? 'write it in quotes' : 'write 4 or 32 hexadecimal digits, such as 2a19';
  throw new HiveletError('PROFILE_INVALID', `${path}: ${shown} is no UUID: ${remedy}`);
}

/** YAML takes a bare 2900 for a number: its digits are meant, as hexadecimal ones. */
function textIn(written: unknown): string {
  if (typeof written === 'number' && Number.isInteger(written) && written >= 0 && written <= 9999) return String(written).padStart(4, '0');
  return typeof written === 'string' ? written : '';
}

/** The form that noble has for it: 16-bit ones are short and not padded. */
export function uuidFromNoble(text: string): string {
  const bare = text.replaceAll('-', '').toLowerCase();
  return bare.length === 32 ? bare : bare.padStart(8, '0') + BASE;
}

/** For people: short where the UUID is, else with dashes. */
export function uuidText(uuid: string): string {
  if (uuid.startsWith('0000') && uuid.endsWith(BASE)) return uuid.slice(4, 8);
  return uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** `a0:e6:f8:00:00:01` for an address with colons, dashes or neither, in any case; undefined for other texts. */
export function addressOf(written: string): string | undefined {
  const bare = written.trim().toLowerCase();
  if (!/^(?:[0-9a-f]{12}|[0-9a-f]{2}(?::[0-9a-f]{2}){5}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5})$/.test(bare)) return undefined;
  return bare.replace(/[:-]/g, '').replace(/(..)(?=.)/g, '$1:');
}

/** What a device calls itself, in the form in which it is compared: models have a dash where devices have a blank. */
export function localNameOf(written: string): string {
  return written.trim().toLowerCase().replaceAll('-', ' ');
}
