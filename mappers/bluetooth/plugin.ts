/** Owns the Bluetooth LE plugin: which devices share the adapter, and how one is reached. */
import type { MapperPlugin } from '../contract.ts';
import { readAccess, type BluetoothAccess } from './access.ts';
import { Adapter } from './adapter.ts';
import { BluetoothConnection } from './connection.ts';
import { discover } from './discover.ts';
import { linkKeyOf, readLink, type BluetoothLink } from './link.ts';
import { usable } from './usable.ts';

export interface BluetoothOptions {
  /** Empty: the machine's own adapter. Else the path, or host:port, where a controller speaks H4, as `hivelet simulate sensortag` offers one. */
  hci?: string;
  /** As `Radio` has it. */
  root?: string;
}

export function createBluetoothPlugin({ hci = '', root = '/' }: BluetoothOptions = {}): MapperPlugin<BluetoothLink, BluetoothAccess> {
  let adapter: Adapter | undefined;
  return {
    protocol: 'bluetooth',
    link: readLink,
    access: readAccess,
    linkKey: linkKeyOf,
    // A SensorTag switches its sensors off when its link ends.
    forgetful: true,
    async open(link, { clock, log, signal }) {
      adapter ??= new Adapter({ hci, root, clock, log });
      const { session, tag } = await adapter.session(link, signal);
      return new BluetoothConnection({ session, tag, clock, log, release: () => tag.unwant(signal) });
    },
    usable: (context) => usable({ ...context, hci, root }),
    discover: (where, context) => discover(where, { ...context, hci, root }),
  };
}
