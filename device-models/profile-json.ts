/** Owns deviceProfile.json, the list of devices that MQTT mappers for KubeEdge up to 1.14 read (reference/crds.md section 6). Pure. */
import type { DeviceProfile, PropertyProfile } from './device-profile.ts';
import { field, textOf, type Fields } from './fields.ts';
import { boundOf, cyclesOf, protocolParts, protocolTextOf, visitorParts } from './profile-parts.ts';

/** v1alpha2: KubeEdge 1.4 to 1.14, visitors in each device. v1alpha1: up to 1.3, visitors in one list for all. */
export type ProfileLayout = 'v1alpha2' | 'v1alpha1';

export interface ProfileJsonOptions {
  readonly layout: ProfileLayout;
  /** What is desired now; '' when nothing is. */
  readonly desired: (device: string, property: string) => string;
}

interface Entry {
  profile: DeviceProfile;
  /** Of a property without visitor a mapper knows nothing, and a reference to one makes it give up the whole file. */
  properties: readonly PropertyProfile[];
  /** Name of its model in the file: devices of one name that differ have models of their own. */
  model: string;
}

const DATA_TOPIC = '$ke/events/device/+/data/update';

/** The same devices give the same text, whatever their order was. */
export function profileJson(profiles: readonly DeviceProfile[], options: ProfileJsonOptions): string {
  const sorted = [...profiles].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = withModels(sorted, options.layout);
  const content = options.layout === 'v1alpha2' ? modern(entries, options) : early(entries);
  return `${JSON.stringify(content, undefined, 1)}\n`;
}

function withModels(profiles: readonly DeviceProfile[], layout: ProfileLayout): Entry[] {
  const shapes = new Map<string, string>();
  return profiles.map((profile) => {
    const properties = profile.properties.filter(({ visitor }) => visitor !== undefined);
    const shape = JSON.stringify([
      profile.properties.map(modelProperty),
      // In the early layout visitors belong to the model.
      layout === 'v1alpha1' ? [profile.protocol, properties.map((property) => visitorParts(property, profile.protocol))] : [],
    ]);
    const known = shapes.get(profile.model);
    const model = known === undefined || known === shape ? profile.model : `${profile.model}-${profile.name}`;
    shapes.set(model, shape);
    return { profile, properties, model };
  });
}

function modern(entries: readonly Entry[], { desired }: ProfileJsonOptions): Fields {
  return {
    deviceInstances: entries.map(({ profile, properties, model }) => ({
      id: profile.name,
      name: profile.name,
      protocol: `${protocolTextOf(profile.protocol)}-${profile.name}`,
      model,
      twins: properties.map(({ name, type }) => ({
        propertyName: name,
        desired: { value: desired(profile.name, name), metadata: { type } },
        reported: { value: '', metadata: { type } },
      })),
      ...dataOf(profile, properties),
      propertyVisitors: properties.map((property) => ({
        name: property.name,
        propertyName: property.name,
        modelName: model,
        protocol: protocolTextOf(profile.protocol),
        ...cyclesOf(property),
        ...visitorParts(property, profile.protocol),
      })),
    })),
    deviceModels: modelsOf(entries, modelProperty),
    protocols: entries.map(({ profile }) => {
      const { config, common } = protocolParts(profile);
      const protocol = protocolTextOf(profile.protocol);
      return { name: `${protocol}-${profile.name}`, protocol, protocolConfig: config, protocolCommonConfig: common };
    }),
  };
}

function dataOf({ name, data }: DeviceProfile, properties: readonly PropertyProfile[]): Fields {
  const series = properties.filter((property) => data?.properties.includes(property.name) === true);
  if (data === undefined || series.length === 0) return {};
  const usual = data.topic === DATA_TOPIC.replace('+', () => name);
  return {
    data: {
      dataProperties: series.map((property) => ({ propertyName: property.name, metadata: { type: property.type } })),
      dataTopic: usual ? DATA_TOPIC : data.topic,
    },
  };
}

/** The oldest mappers differ among themselves in how they spell keys: both spellings are there. */
function early(entries: readonly Entry[]): Fields {
  const seen = new Set<string>();
  const firsts = entries.filter(({ model }) => !seen.has(model) && seen.add(model));
  return {
    deviceInstances: entries.map(({ profile, model }) => ({
      id: profile.name,
      name: profile.name,
      protocol: `${earlyProtocol(profile)}-${profile.name}`,
      model,
    })),
    deviceModels: modelsOf(entries, earlyProperty),
    propertyVisitors: firsts.flatMap(({ profile, properties, model }) =>
      properties.map((property) => ({
        name: property.name,
        propertyName: property.name,
        modelName: model,
        protocol: earlyProtocol(profile),
        visitorConfig: earlyVisitor(property, profile.protocol),
      })),
    ),
    protocols: entries.map(({ profile }) => {
      const config = earlyConfig(profile);
      const protocol = earlyProtocol(profile);
      return { name: `${protocol}-${profile.name}`, protocol, protocol_config: config, protocolConfig: config };
    }),
  };
}

/** That mapper clamps what it reads to the bounds, so that none must be there which is none. */
function earlyProperty(property: PropertyProfile): Fields {
  const { minimum, maximum, ...rest } = modelProperty(property);
  return {
    ...rest,
    datatype: property.type,
    ...(property.minimum === undefined ? {} : { minimum }),
    ...(property.maximum === undefined ? {} : { maximum }),
  };
}

function earlyProtocol({ protocol, protocolConfig }: DeviceProfile): string {
  const text = protocolTextOf(protocol);
  if (text !== 'modbus') return text;
  return protocolParts({ protocol, protocolConfig }).common?.['com'] === undefined ? 'modbus-tcp' : 'modbus-rtu';
}

/** The Modbus mapper of that time called the address `index` and the count `offset`. */
function earlyVisitor(property: PropertyProfile, protocol: string): Fields {
  const { visitorConfig } = visitorParts(property, protocol);
  if (protocolTextOf(protocol) !== 'modbus') return visitorConfig;
  const { offset, limit, ...rest } = visitorConfig;
  return { ...rest, index: offset, offset: limit, limit };
}

function earlyConfig(profile: DeviceProfile): Fields {
  const { config, common } = protocolParts(profile);
  if (protocolTextOf(profile.protocol) !== 'modbus') return config;
  const [serial, net] = [common?.['com'], common?.['tcp']];
  const slave = field(config, 'slaveID') ?? 1;
  if (serial !== undefined) return { ...serial, slaveID: slave };
  // In this layout a text, on TCP only.
  return { ...(typeof net === 'object' ? net : {}), slaveID: textOf(slave) ?? '1' };
}

function modelsOf(entries: readonly Entry[], shown: (property: PropertyProfile) => Fields): Fields[] {
  const models = new Map(entries.map(({ model, profile }) => [model, profile]));
  return [...models].map(([name, { properties }]) => ({ name, properties: properties.map(shown) }));
}

function modelProperty(property: PropertyProfile): Fields {
  const { name, type, description, accessMode, unit } = property;
  return {
    name,
    dataType: type,
    ...(description === undefined ? {} : { description }),
    accessMode,
    ...valuesOf(property),
    ...(unit === undefined ? {} : { unit }),
  };
}

/** Always there, as in KubeEdge's file: nothing is 0, false or "". */
function valuesOf({ type, minimum, maximum, defaultValue }: PropertyProfile): Fields {
  switch (type) {
    case 'int':
    case 'float':
    case 'double':
      return {
        defaultValue: boundOf(defaultValue, (value) => value) ?? 0,
        minimum: boundOf(minimum, Math.floor) ?? 0,
        maximum: boundOf(maximum, Math.ceil) ?? 0,
      };
    case 'boolean':
      return { defaultValue: defaultValue === 'true' };
    case 'string':
      return { defaultValue: defaultValue ?? '' };
    case 'bytes':
      return {};
  }
}
