/** Owns the exact words and numbers that the fields of modbus devices take in v1alpha1 and v1alpha2, and their checks. */
import { field, fieldsAt, numberOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { quoted } from './problem.ts';
import type { ProblemList } from './problem.ts';
import type { ValueType } from './values.ts';

/** The four register kinds; the short one is a frequent slip that Go mappers do not know, but can mean only one thing. */
export const registers = ['CoilRegister', 'DiscreteInputRegister', 'InputRegister', 'HoldingRegister'] as const;

const lineSettings: Readonly<Record<string, readonly (number | string)[]>> = {
  baudRate: [115200, 57600, 38400, 19200, 9600, 4800, 2400, 1800, 1200, 600, 300, 200, 150, 134, 110, 75, 50],
  dataBits: [8, 7, 6, 5],
  stopBits: [1, 2],
  parity: ['none', 'even', 'odd'],
};

/** Serial settings that no line can have are refused, as the schemas of KubeEdge do; so is a slave id that fits no byte. */
export function checkProtocolEnums(block: Fields, kind: string, problems: ProblemList): void {
  const lines: readonly (readonly [string, Fields | undefined])[] = [
    [`spec.protocol.${kind}.rtu`, fieldsAt(block, kind, 'rtu')],
    ['spec.protocol.common.com', fieldsAt(block, 'common', 'com')],
  ];
  for (const [path, settings] of lines) checkLine(settings, path, problems);
  const collectType = field(fieldsAt(block, 'common'), 'collectType');
  if (collectType !== undefined && collectType !== null && collectType !== 'sync' && collectType !== 'async')
    problems.refuse('spec.protocol.common.collectType', `${quoted(collectType)} is not possible: write sync or async`);
  if (kind !== 'modbus') return;
  for (const line of ['', 'rtu', 'tcp']) {
    const path = ['spec.protocol.modbus', line, 'slaveID'].filter((part) => part !== '').join('.');
    checkSlaveId(line === '' ? fieldsAt(block, kind) : fieldsAt(block, kind, line), path, problems);
  }
}

function checkLine(settings: Fields | undefined, path: string, problems: ProblemList): void {
  for (const [name, allowed] of Object.entries(lineSettings)) {
    const written = field(settings, name);
    if (written === undefined || written === null) continue;
    const value = typeof allowed[0] === 'number' ? numberOf(written) : textOf(written)?.toLowerCase();
    if (value === undefined || !allowed.includes(value))
      problems.refuse(`${path}.${name}`, `${quoted(written)} is not possible: write one of ${allowed.join(', ')}`);
  }
}

function checkSlaveId(holder: Fields | undefined, path: string, problems: ProblemList): void {
  const written = field(holder, 'slaveID');
  if (written === undefined || written === null) return;
  const id = numberOf(written);
  if (id === undefined || !Number.isInteger(id) || id < 0 || id > 255) {
    problems.refuse(path, `${quoted(written)} is no slave id: write a whole number from 0 to 255`);
  }
}

/** `register` and `limit` of a modbus visitor, wherever that visitor stands. */
export function checkModbusVisitor(config: Fields, path: string, problems: ProblemList): void {
  const register = field(config, 'register');
  const word = textOf(register)?.toLowerCase();
  if (register !== undefined && register !== null && !registers.some((name) => name.toLowerCase() === word)) {
    problems.refuse(`${path}.register`, `${quoted(register)} is no register kind: write one of ${registers.join(', ')}`);
  } else if (word === undefined)
    problems.condition(`${path}.register`, `is missing, so nothing is read: write one of ${registers.join(', ')}`);
  checkOffset(config, path, problems);
  const limit = numberOf(field(config, 'limit'));
  if (limit !== undefined && limit <= 0)
    problems.refuse(`${path}.limit`, `${limit} reads nothing: write the number of registers, 1 to 125`);
  else if (limit !== undefined && !isCount(limit, word)) {
    problems.condition(`${path}.limit`, `${limit} is more than one request can read: write 1 to 125 registers, or 1 to 2000 bits`);
  }
  const scale = field(config, 'scale');
  if (scale === undefined || scale === null) return;
  if (numberOf(scale) === undefined) problems.condition(`${path}.scale`, `${quoted(scale)} is no number: write a number such as 0.1`);
  else if (numberOf(scale) === 0) problems.warn(`${path}.scale`, '0 would make every value 0, so 1 is taken: write a number such as 0.1');
}

/** `index` is what the oldest mapper called it; beside it `offset` is a count. */
function checkOffset(config: Fields, path: string, problems: ProblemList): void {
  const name = field(config, 'index') === undefined ? 'offset' : 'index';
  const written = field(config, name);
  const offset = numberOf(written);
  if (written === undefined || written === null) return;
  if (offset === undefined || !Number.isInteger(offset) || offset < 0 || offset > 65535)
    problems.condition(`${path}.${name}`, `${quoted(written)} is no register: write a whole number from 0 to 65535`);
  else if (offset + (numberOf(field(config, 'limit')) ?? 1) > 65536 && name === 'offset')
    problems.condition(`${path}.offset`, `${offset} reaches beyond register 65535: write a smaller offset or limit`);
}

/** Whether a value of the property's type lies in so many registers; what no device can give at all is told before. */
export function checkModbusFit({ type, config, path }: { type: ValueType; config: Fields; path: string }, problems: ProblemList): void {
  const limit = numberOf(field(config, 'limit'));
  const register = textOf(field(config, 'register'))?.toLowerCase();
  if (limit === undefined || !isCount(limit, register) || limit <= 0 || type === 'string' || type === 'bytes') return;
  if (register === 'coilregister' || register === 'discreteinputregister') {
    if (limit > 64)
      problems.condition(`${path}.limit`, `${limit} bits are no ${type}: write 1 to 64, or make the property string or bytes`);
    return;
  }
  if (limit > 4)
    problems.condition(`${path}.limit`, `${limit} registers are no ${type}: write 1 to 4, or make the property string or bytes`);
  else if ((type === 'float' || type === 'double') && limit === 3)
    problems.condition(
      `${path}.limit`,
      `3 registers are no ${type}, a whole number is read: write 2 or 4, or 1 for a whole number with a scale`,
    );
}

function isCount(limit: number, register: string | undefined): boolean {
  const most = register === 'coilregister' || register === 'discreteinputregister' ? 2000 : 125;
  return Number.isInteger(limit) && limit <= most;
}
