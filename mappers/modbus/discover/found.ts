/** Owns what becomes of a scanned unit: a device with a property for each place that answered. Pure. */
import type { FoundDevice, FoundProperty } from '../../contract.ts';
import type { Space } from '../frames.ts';
import type { SerialLine } from '../link.ts';
import type { Identity } from './identity.ts';
import type { Place } from './tables.ts';

export interface SeenUnit {
  readonly where: { readonly host: string; readonly port: number } | { readonly line: SerialLine };
  readonly unit: number;
  readonly identity: Identity;
  readonly places: readonly Place[];
  readonly remarks: readonly string[];
}

/** A model with more is read by nobody. */
const MOST_PROPERTIES = 500;
const LARGEST = '65535';

const registers: Readonly<Record<Space, string>> = {
  coil: 'CoilRegister',
  discrete: 'DiscreteInputRegister',
  input: 'InputRegister',
  holding: 'HoldingRegister',
};

export function foundDevice({ where, unit, identity, places, remarks }: SeenUnit): FoundDevice {
  const { vendor, product, revision } = identity;
  const said = [vendor, product, revision].filter((text) => text !== undefined).join(' ');
  const address = 'line' in where ? (where.line.path.split('/').at(-1) ?? '') : where.host;
  const more = places.length - MOST_PROPERTIES;
  return {
    name: product === undefined ? `modbus-${address}-${unit}` : `${product}-${unit}`,
    protocol: { modbus: { slaveID: unit } },
    common: 'line' in where ? { com: comOf(where.line) } : { tcp: { ip: where.host, port: where.port } },
    properties: places.slice(0, MOST_PROPERTIES).map(propertyOf),
    remarks: [
      ...(said === '' ? [] : [`the device calls itself ${said}`]),
      ...(places.length === 0 ? ['it answers, but none of the registers that were asked for is there: try other --addresses'] : []),
      ...(more > 0 ? [`${more} more places answered: name fewer --addresses`] : []),
      ...remarks,
    ],
  };
}

function comOf({ path, baudRate, dataBits, parity, stopBits }: SerialLine): Record<string, unknown> {
  return { serialPort: path, baudRate, dataBits, parity, stopBits };
}

/** What a register means is in the device's manual: it is a whole number here until somebody knows better. */
function propertyOf({ space, address, value }: Place): FoundProperty {
  const bits = space === 'coil' || space === 'discrete';
  return {
    name: `${space}-${address}`,
    type: bits ? 'boolean' : 'int',
    accessMode: space === 'coil' || space === 'holding' ? 'ReadWrite' : 'ReadOnly',
    description: bits ? `was ${value}` : `was ${value} (0x${value.toString(16).padStart(4, '0')})`,
    ...(bits ? {} : { minimum: '0', maximum: LARGEST }),
    visitor: { register: registers[space], offset: address, limit: 1 },
  };
}
