/** Owns the table of plants: one for each protocol that a mapper of ours speaks, Modbus on TCP and on a serial line. */
import { havePeer } from '#test/support/peers.ts';
import type { Plant, PlantOptions } from './plant.ts';

export type PlantName = 'modbus' | 'serial' | 'iio' | 'opcua' | 'bluetooth';

const plants: Readonly<Record<PlantName, () => Promise<(options: PlantOptions) => Promise<Plant>>>> = {
  modbus: async () => (await import('./modbus-plant.ts')).startModbusPlant,
  serial: async () => (await import('./serial-plant.ts')).startSerialPlant,
  iio: async () => (await import('./iio-plant.ts')).startIioPlant,
  opcua: async () => (await import('./opcua-plant.ts')).startOpcuaPlant,
  bluetooth: async () => (await import('./bluetooth-plant.ts')).startBluetoothPlant,
};

/** Those that can be had here: a serial line is made by socat. */
export const plantNames = (Object.keys(plants) as PlantName[]).filter((name) => name !== 'serial' || havePeer('socat'));

export async function startPlant(name: PlantName, options: PlantOptions): Promise<Plant> {
  return (await plants[name]())(options);
}
