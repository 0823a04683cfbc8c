/** Owns the list of simulators. */
import { dht11 } from './dht11.ts';
import type { SimulatorKind } from './kind.ts';
import { modbus } from './modbus.ts';
import { opcua } from './opcua.ts';
import { sensortag } from './sensortag.ts';

export const kinds: readonly SimulatorKind[] = [modbus, opcua, dht11, sensortag];
