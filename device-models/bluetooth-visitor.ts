/** Owns what is special about Bluetooth in Devices as people write them: what KubeEdge's own samples and its first mapper did. */
import { field, fieldsAt, listOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { quoted } from './problem.ts';
import type { ProblemList } from './problem.ts';
import { checkText } from './values.ts';
import type { ValueType } from './values.ts';

const PARTS = ['dataConverter', 'dataWrite'] as const;
const CONVERTER = ['startIndex', 'endIndex', 'shiftLeft', 'shiftRight', 'orderOfOperations'] as const;
/** Beside them, so that they are no texts of dataWrite. */
const OTHERS: ReadonlySet<string> = new Set([...PARTS, ...CONVERTER, 'characteristicUUID', 'serviceUUID', 'signed', 'scale']);

/** The `bluetooth` mapping of an entry with what belongs into it; a real API server drops what is elsewhere. */
export function readBluetooth(entry: Fields, path: string, problems: ProblemList): Fields {
  const own = fieldsAt(entry, 'bluetooth') ?? {};
  const found: Fields = { ...own };
  for (const part of PARTS) {
    if (isSaid(own, part)) continue;
    const names = strayIn(own, part);
    const outside = Object.hasOwn(entry, part);
    if (!outside && names.length === 0) continue;
    const [first = ''] = names;
    const at = outside ? `${path}.${part}` : `${path}.bluetooth.${first}`;
    const where = outside ? `${path}.bluetooth` : `${path}.bluetooth.${part}`;
    problems.warn(at, `belongs into ${where}, from where it is taken here but lost on a real cluster: indent it`);
    found[part] = outside ? entry[part] : Object.fromEntries(names.map((name) => [name, own[name]]));
    for (const name of names) delete found[name];
  }
  return found;
}

/** True for what `readBluetooth` takes though it stands beside the `dataConverter:` or `dataWrite:` that it belongs into. */
export function isStray(own: Fields, name: string): boolean {
  return PARTS.some((part) => !isSaid(own, part) && strayIn(own, part).includes(name));
}

function isSaid(own: Fields, part: string): boolean {
  const value = field(own, part);
  return value !== undefined && value !== null && value !== '';
}

function strayIn(own: Fields, part: (typeof PARTS)[number]): string[] {
  if (part === 'dataConverter') return CONVERTER.filter((name) => Object.hasOwn(own, name));
  return Object.keys(own).filter((name) => !OTHERS.has(name) && isBytes(own[name]));
}

function isBytes(value: unknown): boolean {
  const list = listOf(value);
  return list.length > 0 && list.every((each) => typeof each === 'number');
}

/**
 * The type of a property whose visitor is `config`. The published samples have switches that the model calls int, though what can be written
 * are texts such as Red: KubeEdge took the type from the desired value. Those are strings.
 */
export function spokenType(type: ValueType, config: Fields | undefined): ValueType {
  if (type !== 'int' && type !== 'float' && type !== 'double') return type;
  const texts = Object.keys(fieldsAt(config, 'dataWrite') ?? {});
  return texts.some((text) => checkText(type, text) !== undefined) ? 'string' : type;
}

/**
 * The settings of a Device. KubeEdge's first Bluetooth mapper looked for the device that calls itself as the model is called; where no
 * address is named, so do we.
 */
export function withLocalName(config: Fields, model: string, problems: ProblemList): Fields {
  if (model === '' || ['macAddress', 'address', 'localName'].some((name) => isSaid(config, name))) return config;
  problems.warn(
    'spec.protocol.bluetooth.macAddress',
    `is missing, so the first device in the air that calls itself ${quoted(model)} is taken: write its address where there are several`,
  );
  return { ...config, localName: model };
}
