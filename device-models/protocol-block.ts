/** Owns the protocol block of a Device: which protocol, and its settings flattened into one mapping. */
import { field, fieldsAt, fieldsOf, nameOf } from './fields.ts';
import type { Fields } from './fields.ts';
import type { ProblemList } from './problem.ts';
import { checkProtocolEnums } from './enums.ts';

export interface ProtocolBlock {
  /** As in DeviceProfile: '' when the Device names no protocol. */
  protocol: string;
  config: Fields;
}

/** The kinds that have a field of their own, in the order in which KubeEdge looks at them. */
export const protocolKinds = ['opcua', 'modbus', 'bluetooth', 'customizedProtocol'] as const;
export type ProtocolKind = (typeof protocolKinds)[number];

const canonical: ReadonlyMap<string, string> = new Map([
  ['modbus', 'modbus'],
  ['modbus-tcp', 'modbus'],
  ['modbus-rtu', 'modbus'],
  ['modbustcp', 'modbus'],
  ['modbusrtu', 'modbus'],
  ['opcua', 'opcua'],
  ['opc-ua', 'opcua'],
  ['bluetooth', 'bluetooth'],
  ['ble', 'bluetooth'],
  ['iio', 'iio'],
]);

/** One name per protocol (`modbus-tcp`, `Modbus` -> `modbus`); names that are not ours stay as they are. */
export function protocolNameOf(written: string): string {
  return canonical.get(written.toLowerCase()) ?? written;
}

export function sameProtocol(left: string, right: string): boolean {
  return protocolNameOf(left).toLowerCase() === protocolNameOf(right).toLowerCase();
}

/** The protocol kinds that a protocol block or a visitor names. */
export function kindsIn(block: Fields | undefined): ProtocolKind[] {
  return protocolKinds.filter((kind) => fieldsOf(field(block, kind)) !== undefined);
}

/** Reads `spec.protocol`; the newest models hold a template of it (`spec.protocol`, `spec.protocolConfigData`), which the Device overlays. */
export function readProtocol(device: Fields, model: Fields | undefined, problems: ProblemList): ProtocolBlock {
  const block = fieldsAt(device, 'spec', 'protocol');
  const kinds = kindsIn(block);
  const kind = kinds[0];
  if (kinds.length > 1) problems.warn('spec.protocol', `names ${kinds.join(' and ')}, ${kind} is taken: keep one`);
  if (kind !== undefined && block !== undefined) return readKind(block, kind, problems);
  return readNamed(block, model);
}

/** v1beta1: `protocolName` + `configData`. */
function readNamed(block: Fields | undefined, model: Fields | undefined): ProtocolBlock {
  const template = fieldsAt(model, 'spec');
  const name = nameOf(field(block, 'protocolName')) ?? nameOf(field(template, 'protocol'));
  if (name === undefined) return { protocol: '', config: flattened(fieldsAt(block, 'configData')) };
  const config = { ...flattened(fieldsAt(template, 'protocolConfigData')), ...flattened(fieldsAt(block, 'configData')) };
  return { protocol: protocolNameOf(name), config };
}

/** v1alpha1 and v1alpha2: `protocol.<kind>` beside `protocol.common`. What is nearer to the protocol wins. */
function readKind(block: Fields, kind: ProtocolKind, problems: ProblemList): ProtocolBlock {
  const own = fieldsAt(block, kind) ?? {};
  const common = fieldsAt(block, 'common') ?? {};
  checkProtocolEnums(block, kind, problems);
  const customized = kind === 'customizedProtocol';
  const name = customized ? nameOf(field(own, 'protocolName')) : kind;
  if (name === undefined)
    problems.condition('spec.protocol.customizedProtocol.protocolName', 'is missing, so no mapper serves the device: name it');
  const config = {
    ...fieldsAt(common, 'customizedValues'),
    ...flattened(without(common, ['customizedValues'])),
    ...flattened(customized ? fieldsAt(own, 'configData') : own),
  };
  return { protocol: name === undefined ? '' : protocolNameOf(name), config };
}

/** Lifts the line settings out of their sub-mapping: `rtu`, `tcp` (v1alpha1) and `com`, `tcp` (v1alpha2). */
function flattened(block: Fields | undefined): Fields {
  // The serial line comes later: it wins over an address when both are there.
  return {
    ...fieldsAt(block, 'tcp'),
    ...fieldsAt(block, 'rtu'),
    ...fieldsAt(block, 'com'),
    ...without(block ?? {}, ['tcp', 'rtu', 'com']),
  };
}

function without(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name, value]) => !(names.includes(name) && fieldsOf(value) !== undefined)));
}
