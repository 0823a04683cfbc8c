/** Owns the table of plants: one for each protocol that a mapper of ours speaks. */
import type { Plant, PlantOptions } from './plant.ts';

export type PlantName = 'modbus' | 'iio' | 'opcua' | 'bluetooth';

const plants: Readonly<Record<PlantName, () => Promise<(options: PlantOptions) => Promise<Plant>>>> = {
  modbus: async () => (await import('./modbus-plant.ts')).startModbusPlant,
  iio: async () => (await import('./iio-plant.ts')).startIioPlant,
  opcua: async () => (await import('./opcua-plant.ts')).startOpcuaPlant,
  bluetooth: async () => (await import('./bluetooth-plant.ts')).startBluetoothPlant,
};

export const plantNames = Object.keys(plants) as PlantName[];

export async function startPlant(name: PlantName, options: PlantOptions): Promise<Plant> {
  return (await plants[name]())(options);
}
