/** Owns what the machine tells of its Bluetooth without being asked for a socket: noble keeps the socket of each attempt for as long as the process lives. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** As in `/proc/self/status`. */
const CAP_NET_RAW = 13n;

/** Why no attempt is worth it: no adapter, or no right to use one; undefined when only an attempt can tell. `root` is where /sys and /proc are. */
export function machineFault(root: string): 'ENODEV' | 'EPERM' | undefined {
  const adapters = listed(path.join(root, 'sys/class/bluetooth'));
  if (adapters !== undefined && !adapters.some((name) => /^hci\d+$/.test(name))) return 'ENODEV';
  const [, effective] = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf(path.join(root, 'proc/self/status'))) ?? [];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_NET_RAW) & 1n) === 0n ? 'EPERM' : undefined;
}

/** undefined: the kernel has no Bluetooth, or this is no Linux. */
function listed(folder: string): readonly string[] | undefined {
  try {
    return readdirSync(folder);
  } catch {
    return undefined;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
