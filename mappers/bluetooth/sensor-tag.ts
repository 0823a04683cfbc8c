/** Owns what is known of a TI SensorTag (CC2650, CC2541) and of standard characteristics: names, units and how bytes become numbers. */
import type { FoundProperty } from '../contract.ts';

type Known = Omit<FoundProperty, 'visitor'> & { readonly uuid: string; readonly visitor?: Readonly<Record<string, unknown>> };

/** `aa01` -> `f000aa01-0451-4000-b000-000000000000` */
export function tiUuid(id: string): string {
  return `f000${id}-0451-4000-b000-000000000000`;
}

const SWITCH = { dataWrite: { ON: Buffer.of(1).toString('base64'), OFF: Buffer.of(0).toString('base64') } };

interface Measure {
  readonly id: string;
  readonly unit: string;
  readonly description: string;
  readonly range?: readonly [minimum: string, maximum: string];
  readonly dataConverter: Readonly<Record<string, unknown>>;
}

function measured(name: string, { id, unit, description, range, dataConverter }: Measure): Known {
  const bounds = range === undefined ? {} : { minimum: range[0], maximum: range[1] };
  return { name, uuid: tiUuid(id), type: 'float', accessMode: 'ReadOnly', unit, description, ...bounds, visitor: { dataConverter } };
}

function switched(name: string, id: string): Known {
  return {
    name: `${name}-enable`,
    uuid: tiUuid(id),
    type: 'string',
    accessMode: 'ReadWrite',
    description: `ON measures the ${name}, OFF saves the battery`,
    visitor: SWITCH,
  };
}

/** How often it measures: steps of 10 ms in one byte. */
function timed(name: string, id: string): Known {
  return {
    name: `${name}-period`,
    uuid: tiUuid(id),
    type: 'int',
    accessMode: 'ReadWrite',
    unit: 'ms',
    description: `how often the ${name} is measured`,
    minimum: name === 'temperature' ? '300' : '100',
    maximum: '2550',
    visitor: { dataConverter: { startIndex: 0, endIndex: 0, orderOfOperations: [operation('Multiply', 10)] } },
  };
}

const operation = (operationType: string, operationValue: number): object => ({ operationType, operationValue });

/** Two properties may be made of one characteristic. */
export const KNOWN: readonly Known[] = [
  measured('temperature', {
    id: 'aa01',
    unit: 'degree Celsius',
    description: 'temperature of what the infrared sensor sees',
    range: ['-40', '125'],
    dataConverter: { startIndex: 1, endIndex: 0, shiftRight: 2, orderOfOperations: [operation('Multiply', 0.03125)] },
  }),
  switched('temperature', 'aa02'),
  timed('temperature', 'aa03'),
  measured('humidity', {
    id: 'aa21',
    unit: 'percent',
    description: 'relative humidity of the air',
    dataConverter: { startIndex: 3, endIndex: 2, orderOfOperations: [operation('Multiply', 100), operation('Divide', 65_536)] },
  }),
  switched('humidity', 'aa22'),
  timed('humidity', 'aa23'),
  measured('pressure', {
    id: 'aa41',
    unit: 'hectopascal',
    description: 'pressure of the air',
    dataConverter: { startIndex: 5, endIndex: 3, orderOfOperations: [operation('Divide', 100)] },
  }),
  switched('pressure', 'aa42'),
  timed('pressure', 'aa44'),
  { name: 'keys', uuid: 'ffe1', type: 'int', accessMode: 'ReadOnly', description: 'buttons that are down: 1 user, 2 power, 4 reed' },
  { name: 'battery', uuid: '2a19', type: 'int', accessMode: 'ReadOnly', unit: 'percent', description: 'charge of the battery' },
  { name: 'device-name', uuid: '2a00', type: 'string', accessMode: 'ReadOnly' },
  { name: 'model-number', uuid: '2a24', type: 'string', accessMode: 'ReadOnly' },
  { name: 'firmware-revision', uuid: '2a26', type: 'string', accessMode: 'ReadOnly' },
  { name: 'manufacturer', uuid: '2a29', type: 'string', accessMode: 'ReadOnly' },
];
