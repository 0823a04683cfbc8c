/** Owns which hosts a scan may ask: one by its name or address, or a range of loopback or private addresses that a person wrote. Pure. */
import { isIPv4 } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';

/** More would be a sweep of a network, which is no way to look for a slave. */
export const MOST_HOSTS = 256;

/** `192.168.1.5`, `plc.local`, `192.168.1.10-20`, `10.0.0.1-10.0.0.9`, `192.168.1.0/28`, several with commas. Throws USAGE. */
export function hostsOf(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  const hosts = [...new Set(parts.flatMap(partOf))];
  if (hosts.length > MOST_HOSTS)
    throw new HiveletError('USAGE', `--host ${text} stands for ${hosts.length} hosts, at most ${MOST_HOSTS} are asked`);
  return hosts;
}

function partOf(part: string): string[] {
  const [, network, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(part) ?? [];
  if (network !== undefined && isIPv4(network)) return networkOf(part, network, Number(bits));
  const [, from, to] = /^([\d.]+)-([\d.]+)$/.exec(part) ?? [];
  if (from !== undefined && to !== undefined && isIPv4(from)) {
    const last = isIPv4(to) ? to : `${from.split('.').slice(0, 3).join('.')}.${to}`;
    if (isIPv4(last)) return rangeOf(part, numberOf(from), numberOf(last));
  }
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?$/.test(part) || /^[\d.]+\//.test(part))
    throw new HiveletError('USAGE', `--host ${part}: write an address, a name, or a range such as 192.168.1.10-20 or 192.168.1.0/28`);
  return [part];
}

/** Without the address of the network itself and that of all in it. */
function networkOf(part: string, network: string, bits: number): string[] {
  if (bits > 32) throw new HiveletError('USAGE', `--host ${part}: a network has at most 32 bits`);
  const size = 2 ** (32 - bits);
  const first = Math.floor(numberOf(network) / size) * size;
  return size <= 2 ? rangeOf(part, first, first + size - 1) : rangeOf(part, first + 1, first + size - 2);
}

function rangeOf(part: string, first: number, last: number): string[] {
  const count = last - first + 1;
  if (count < 1) throw new HiveletError('USAGE', `--host ${part}: the range ends before it begins`);
  if (count > MOST_HOSTS) throw new HiveletError('USAGE', `--host ${part} stands for ${count} hosts, at most ${MOST_HOSTS} are asked`);
  const hosts = Array.from({ length: count }, (_, index) => addressOf(first + index));
  const foreign = hosts.find((host) => !isNear(host));
  if (foreign !== undefined)
    throw new HiveletError(
      'USAGE',
      `--host ${part}: ${foreign} is no loopback or private address; ranges are scanned in networks of one's own only`,
    );
  return hosts;
}

/** Loopback, private (RFC 1918) and link-local. */
function isNear(address: string): boolean {
  const [a = 0, b = 0] = address.split('.').map(Number);
  return a === 127 || a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254);
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.');
}
