/** Owns the parts of deviceProfile.json that a mapper finds a device by: protocol, line settings, visitors, back in KubeEdge's own places. Pure. */
import type { DeviceProfile, PropertyProfile } from './device-profile.ts';
import { field, fieldsOf, flagOf, listOf, numberOf, textOf, type Fields } from './fields.ts';
import { compareNumbers } from './values.ts';

/** What stands in `protocols[].protocol` of the v1alpha2 layout. */
export type ProtocolText = 'modbus' | 'opcua' | 'bluetooth' | 'customized-protocol';

export interface ProtocolParts {
  config: Fields;
  /** null where a device names no line. */
  common: Fields | null;
}

/** Go mappers parse bounds as int64, and JSON numbers beyond this lose digits on the way. */
const LARGEST = Number.MAX_SAFE_INTEGER;
const NS_PER_MS = 1_000_000;

const com = ['serialPort', 'baudRate', 'dataBits', 'parity', 'stopBits'] as const;
const tcp = ['ip', 'port'] as const;
const line = ['commType', 'reconnTimeout', 'reconnRetryTimes', 'collectTimeout', 'collectRetryTimes', 'collectType'] as const;
const opcua = ['url', 'userName', 'password', 'securityPolicy', 'securityMode', 'certificate', 'privateKey', 'timeout'] as const;
/** Names of v1beta1 mappers for the same. */
const aliases: ReadonlyMap<string, string> = new Map([['serialPort', 'serialName']]);
const numbers: ReadonlySet<string> = new Set([
  'baudRate',
  'dataBits',
  'stopBits',
  'port',
  'slaveID',
  'offset',
  'limit',
  'scale',
  'timeout',
]);

export function protocolTextOf(protocol: string): ProtocolText {
  return protocol === 'modbus' || protocol === 'opcua' || protocol === 'bluetooth' ? protocol : 'customized-protocol';
}

/** The flattened block of a profile, taken apart again. */
export function protocolParts({ protocol, protocolConfig }: Pick<DeviceProfile, 'protocol' | 'protocolConfig'>): ProtocolParts {
  const serial = picked(protocolConfig, com);
  const net = picked(protocolConfig, tcp);
  const kind = protocolTextOf(protocol);
  const own = kind === 'modbus' ? (['slaveID'] as const) : kind === 'opcua' ? opcua : kind === 'bluetooth' ? (['macAddress'] as const) : [];
  const rest = kind === 'customized-protocol' ? {} : others(protocolConfig, [...com, ...tcp, ...line, ...own, 'localName']);
  const common: Fields = {
    ...(serial === undefined ? {} : { com: serial }),
    ...(net === undefined ? {} : { tcp: net }),
    ...picked(protocolConfig, line),
    ...(Object.keys(rest).length === 0 ? {} : { customizedValues: rest }),
  };
  return {
    config: kind === 'customized-protocol' ? { protocolName: protocol, configData: protocolConfig } : (picked(protocolConfig, own) ?? {}),
    common: Object.keys(common).length === 0 ? null : common,
  };
}

/** `collectCycle` and `reportCycle` in nanoseconds, as Go mappers read them. */
export function cyclesOf({ collectCycleMs, reportCycleMs }: PropertyProfile): Fields {
  return { collectCycle: collectCycleMs * NS_PER_MS, ...(reportCycleMs === 0 ? {} : { reportCycle: reportCycleMs * NS_PER_MS }) };
}

export interface VisitorParts {
  visitorConfig: Fields;
  /** What is ours, or of the mapper, and has no field in KubeEdge's visitor. */
  customizedValues?: Fields;
}

/** What a missing `limit` and `scale` mean is written: a Go mapper takes 0 for both, and then reads nothing but 0. */
export function visitorParts({ type, visitor }: PropertyProfile, protocol: string): VisitorParts {
  const config = visitor?.config ?? {};
  switch (protocolTextOf(protocol)) {
    case 'modbus': {
      const names = ['register', 'offset', 'limit', 'scale', 'isSwap', 'isRegisterSwap'] as const;
      const index = numberOf(field(config, 'index'));
      const written = numberOf(field(config, index === undefined ? 'limit' : 'offset'));
      const swaps = (['isSwap', 'isRegisterSwap'] as const).filter((name) => flagOf(field(config, name)) === true);
      const scale = numberOf(field(config, 'scale'));
      return withRest(others(config, [...names, 'index']), {
        register: textOf(field(config, 'register')) ?? '',
        offset: index ?? numberOf(field(config, 'offset')) ?? 0,
        limit: written === undefined || written === 0 ? usualLimit(type) : written,
        scale: scale === undefined || scale === 0 ? 1 : scale,
        ...Object.fromEntries(swaps.map((name) => [name, true])),
      });
    }
    case 'opcua': {
      const names = ['nodeID', 'browseName'] as const;
      return withRest(others(config, names), picked(config, names) ?? {});
    }
    case 'bluetooth': {
      const names = ['characteristicUUID', 'dataWrite', 'dataConverter'] as const;
      const writes = fieldsOf(field(config, 'dataWrite'));
      return withRest(others(config, names), {
        ...picked(config, ['characteristicUUID']),
        ...(writes === undefined
          ? {}
          : { dataWrite: Object.fromEntries(Object.entries(writes).map(([text, bytes]) => [text, base64(bytes)])) }),
        dataConverter: fieldsOf(field(config, 'dataConverter')) ?? {},
      });
    }
    case 'customized-protocol':
      return { visitorConfig: { protocolName: visitor?.protocol ?? protocol, configData: config } };
  }
}

/** A bound as a whole number, rounded outwards: a fraction makes a Go mapper refuse the whole file. */
export function boundOf(text: string | undefined, round: (value: number) => number): number | undefined {
  if (text === undefined || compareNumbers(text, '0') === undefined) return undefined;
  return Math.min(LARGEST, Math.max(-LARGEST, round(Number(text))));
}

function usualLimit(type: PropertyProfile['type']): number {
  return type === 'float' ? 2 : type === 'double' ? 4 : 1;
}

function withRest(rest: Fields, visitorConfig: Fields): VisitorParts {
  return Object.keys(rest).length === 0 ? { visitorConfig } : { visitorConfig, customizedValues: rest };
}

/** The named fields that are there and say something, under these names and as numbers where they are some; undefined when there is none. */
function picked(config: Fields, names: readonly string[]): Fields | undefined {
  const found = names.flatMap((name): [string, unknown][] => {
    const value = field(config, name) ?? field(config, aliases.get(name) ?? name);
    if (value === undefined || value === null || value === '') return [];
    return [[name, numbers.has(name) ? (numberOf(value) ?? value) : value]];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

function others(config: Fields, names: readonly string[]): Fields {
  const known = new Set(names.flatMap((name) => [folded(name), folded(aliases.get(name) ?? name)]));
  return Object.fromEntries(Object.entries(config).filter(([name]) => !known.has(folded(name))));
}

function folded(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase();
}

/** v1alpha1 has lists of numbers, v1alpha2 base64. */
function base64(bytes: unknown): string {
  return Array.isArray(bytes) ? Buffer.from(listOf(bytes).map((byte) => Number(byte))).toString('base64') : (textOf(bytes) ?? '');
}
