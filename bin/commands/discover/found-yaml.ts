/** Owns what discovery saw as YAML to apply: a Device for each, and one DeviceModel for all that are alike. */
import { stringify } from 'yaml';
import { parseInt64, type ValueType } from '#device-models/values.ts';
import type { FoundDevice, FoundProperty } from '../../../mappers/contract.ts';
import { objectName, propertyName, unusedName } from './names.ts';

export interface FoundYamlOptions {
  /** As in MapperPlugin. */
  readonly protocol: string;
  readonly node: string;
  readonly namespace: string;
}

const API_VERSION = 'devices.kubeedge.io/v1alpha2';
/** The kinds that have a field of their own in a Device; all others are customized protocols. */
const KINDS: ReadonlySet<string> = new Set(['modbus', 'opcua', 'bluetooth', 'customizedProtocol']);
const REMARK_WIDTH = 140;

/** Remembers which names and models are out already. */
export class FoundYaml {
  readonly #options: FoundYamlOptions;
  readonly #devices = new Set<string>();
  readonly #models = new Map<string, string>();
  readonly #modelNames = new Set<string>();

  constructor(options: FoundYamlOptions) {
    this.#options = options;
  }

  get devices(): number {
    return this.#devices.size;
  }

  /** The documents of one device, to be printed behind those before; its model only when none like it was printed. */
  add(found: FoundDevice): string {
    const name = unusedName(objectName(found.name), this.#devices);
    const properties = named(found.properties);
    const shape = JSON.stringify(
      properties.map(({ name: property, type, accessMode, minimum, maximum, unit }) => [
        property,
        type,
        accessMode,
        minimum,
        maximum,
        unit,
      ]),
    );
    const known = this.#models.get(shape);
    const model = known ?? unusedName(objectName(`${name}-model`), this.#modelNames);
    this.#models.set(shape, model);
    const documents = [...(known === undefined ? [this.#model(model, properties)] : []), this.#device(name, { found, model, properties })];
    return [...found.remarks.map(comment), ...documents.map((each) => `---\n${yamlOf(each)}`)].join('\n');
  }

  #model(name: string, properties: readonly FoundProperty[]): object {
    return {
      apiVersion: API_VERSION,
      kind: 'DeviceModel',
      metadata: { name, namespace: this.#options.namespace },
      spec: { properties: properties.map(modelProperty) },
    };
  }

  #device(name: string, { found, model, properties }: { found: FoundDevice; model: string; properties: readonly FoundProperty[] }): object {
    const { node, namespace } = this.#options;
    return {
      apiVersion: API_VERSION,
      kind: 'Device',
      metadata: { name, namespace },
      spec: {
        deviceModelRef: { name: model },
        nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: [node] }] }] },
        protocol: this.#protocol(found),
        propertyVisitors: properties.map((property) => ({ propertyName: property.name, ...this.#visitor(property) })),
      },
    };
  }

  /** A plugin may write its block with or without its kind around it. */
  #protocol({ protocol, common }: FoundDevice): object {
    const whole = Object.keys(protocol).some((key) => KINDS.has(key));
    const block = whole ? protocol : this.#around(protocol);
    return common === undefined ? block : { ...block, common };
  }

  #visitor({ visitor }: FoundProperty): object {
    return this.#around(visitor);
  }

  #around(config: Readonly<Record<string, unknown>>): object {
    const { protocol } = this.#options;
    return KINDS.has(protocol) ? { [protocol]: config } : { customizedProtocol: { protocolName: protocol, configData: config } };
  }
}

/** With quotes wherever YAML 1.1 would make something else of a text, since that is what kubectl reads: `ON`, `no`, `11:22:33:44:55:06`. */
function yamlOf(document: object): string {
  return stringify(document, { lineWidth: 0, version: '1.1' }).trimEnd();
}

/** Names made fit and unique. */
function named(properties: readonly FoundProperty[]): FoundProperty[] {
  const taken = new Set<string>();
  return properties.map((property) => ({ ...property, name: unusedName(propertyName(property.name), taken) }));
}

function modelProperty({ name, description, type, accessMode, minimum, maximum, unit }: FoundProperty): object {
  const ranged = type === 'int' || type === 'float' || type === 'double';
  const bound = (key: string, text: string | undefined): object => (ranged && text !== undefined ? { [key]: numberIn(type, text) } : {});
  return {
    name,
    ...(description === undefined ? {} : { description: plain(description) }),
    type: {
      [type]: {
        accessMode,
        ...bound('minimum', minimum),
        ...bound('maximum', maximum),
        ...(ranged && unit !== undefined ? { unit: plain(unit) } : {}),
      },
    },
  };
}

/** As a number in the YAML; int64 keeps all its digits. */
function numberIn(type: ValueType, text: string): number | bigint {
  const whole = parseInt64(text);
  return type === 'int' && whole !== undefined && !Number.isSafeInteger(Number(whole)) ? whole : Number(text);
}

/** What a device says of itself may hold anything. */
function plain(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
    .trim()
    .slice(0, 500);
}

function comment(remark: string): string {
  return `# ${plain(remark).slice(0, REMARK_WIDTH)}`;
}
