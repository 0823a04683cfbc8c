/** Owns an OPC UA server made from profiles: every property has its node, values that can only be read move, written ones are kept. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, numberOf } from '#device-models/fields.ts';
import { boundsOf, PlayedValues, type PlayedValue } from '#device-models/played-values.ts';
import type { ValueType } from '#device-models/values.ts';
import { readOpcuaAccess } from './access.ts';
import { startOpcuaServer, type ServedNode, type ServedValue } from './server.ts';
import { BUILT_IN, decodeVariant, encodeVariant } from './variant.ts';

export interface ProfileServerOptions {
  clock: Clock;
  /** Their properties with an opcua visitor are played, all devices in one server. */
  profiles: readonly DeviceProfile[];
  /** Where the server keeps its certificate. */
  pkiDirectory: string;
  host?: string;
  /** 0 takes a free one. */
  port?: number;
  /** How often read-only values move, ms. */
  stepMs?: number;
  /** Told of each write that was taken. */
  onWrite?: (write: { device: string; property: string; value: PlayedValue }) => void;
}

export interface ProfileServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** The values of one of the devices, to set them or let it refuse them. */
  device(name: string): PlayedValues;
  /** Nobody is served until it is called with false: as with the cable cut. */
  silence(on: boolean): Promise<void>;
  close(): Promise<void>;
}

const STEP_MS = 1000;
const INT32 = { least: -(2 ** 31), most: 2 ** 31 - 1 };

/** Resolves when it listens. Throws PROFILE_INVALID for visitors that cannot be used or two properties on one node, PORT_IN_USE, PLUGIN_MISSING. */
export async function startProfileServer(options: ProfileServerOptions): Promise<ProfileServer> {
  const { clock, profiles, pkiDirectory, stepMs = STEP_MS, onWrite } = options;
  const devices = profiles.map((profile) =>
    playedDevice(profile, { random: () => clock.random(), ...(onWrite === undefined ? {} : { onWrite }) }),
  );
  const nodes = devices.flatMap((device) => device.nodes);
  refuseDoubles(nodes);
  const { host = '127.0.0.1', port = 0 } = options;
  const server = await startOpcuaServer({ nodes, pkiDirectory, host, port });
  let timer: Timer;
  const step = (): void => {
    for (const { values } of devices) values.step();
    timer = clock.timer(stepMs, step);
  };
  timer = clock.timer(stepMs, step);
  return {
    url: server.url,
    host: server.host,
    port: server.port,
    device: (name) => {
      const found = devices.find((device) => device.name === name);
      if (found === undefined) throw new HiveletError('NOT_FOUND', `${name} is none of the devices that are played`);
      return found.values;
    },
    silence: (on) => server.silence(on),
    close: () => {
      timer.cancel();
      return server.close();
    },
  };
}

interface PlayedDevice {
  readonly name: string;
  readonly values: PlayedValues;
  readonly nodes: readonly ServedNode[];
}

interface PlayOptions {
  random: () => number;
  onWrite?: ProfileServerOptions['onWrite'];
}

function playedDevice(profile: DeviceProfile, { random, onWrite }: PlayOptions): PlayedDevice {
  const visited = profile.properties.filter(({ visitor }) => visitor?.protocol.toLowerCase() === 'opcua');
  const values = new PlayedValues({ profile: { name: profile.name, properties: visited }, random });
  const nodes = visited.map((property) => servedNode(property, { device: profile.name, values, onWrite }));
  return { name: profile.name, values, nodes };
}

interface NodeOptions {
  device: string;
  values: PlayedValues;
  onWrite: ProfileServerOptions['onWrite'];
}

function servedNode(property: PropertyProfile, { device, values, onWrite }: NodeOptions): ServedNode {
  const { name, type, visitor, minimum, maximum, unit, description } = property;
  const config = visitor?.config ?? {};
  const access = readOpcuaAccess(config, `${device}: visitor of ${name}`);
  const written = numberOf(field(config, 'scale'));
  const scale = written === undefined || written === 0 ? 1 : written;
  const dataType = typeOf(property, scale);
  const number = BUILT_IN[dataType];
  const isRanged = (type === 'int' || type === 'float' || type === 'double') && minimum !== undefined && maximum !== undefined;
  const { least, most } = boundsOf(property);
  const set = (written: unknown): string => {
    const decoded = decodeVariant({ dataType: number, value: written }, type);
    if ('fault' in decoded) return 'BadTypeMismatch';
    const raw = typeof decoded.value === 'object' ? Buffer.from(decoded.value).toString('hex') : decoded.value;
    // 353 × 0.1 is 35.3, and not a hair beyond a maximum of 35.3.
    const scaled = scale === 1 || typeof raw === 'string' || typeof raw === 'boolean' ? raw : Number((Number(raw) * scale).toPrecision(12));
    try {
      values.write(name, scaled);
    } catch (error) {
      if (!isHiveletError(error)) throw error;
      return values.isRefused(name) ? 'BadDeviceFailure' : 'BadOutOfRange';
    }
    onWrite?.({ device, property: name, value: values.get(name) });
    return 'Good';
  };
  return {
    ...(access.kind === 'node' ? { nodeId: access.nodeId, path: [{ name: device }, { name }] } : { path: access.steps }),
    dataType,
    ...(description === undefined ? {} : { description }),
    ...(isRanged && least < most ? { range: { low: least / scale, high: most / scale }, ...(unit === undefined ? {} : { unit }) } : {}),
    get: () => (values.isRefused(name) ? { status: 'BadSensorFailure' } : { value: heldValue(values.get(name), { name, number, scale }) }),
    ...(property.accessMode === 'ReadWrite' ? { set } : {}),
  };
}

function typeOf({ type, minimum, maximum }: PropertyProfile, scale: number): ServedNode['dataType'] {
  if ((type === 'int' || type === 'float') && scale !== 1) return 'Double';
  if (type !== 'int') return plainTypes[type];
  const [least, most] = [numberOf(minimum) ?? INT32.least - 1, numberOf(maximum) ?? INT32.most + 1];
  return least >= INT32.least && most <= INT32.most ? 'Int32' : 'Int64';
}

const plainTypes: Readonly<Record<Exclude<ValueType, 'int'>, ServedNode['dataType']>> = {
  float: 'Float',
  double: 'Double',
  boolean: 'Boolean',
  string: 'String',
  bytes: 'ByteString',
};

function heldValue(value: PlayedValue, { name, number, scale }: { name: string; number: number; scale: number }): ServedValue {
  if (number === BUILT_IN.ByteString) return Buffer.from(String(value), 'hex');
  const raw = typeof value === 'number' ? value / scale : value;
  return encodeVariant(name, number, raw).value as ServedValue;
}

function refuseDoubles(nodes: readonly ServedNode[]): void {
  const seen = new Set<string>();
  for (const { nodeId, path } of nodes) {
    const key = nodeId ?? path.map(({ name }) => name).join('/');
    if (seen.has(key)) throw new HiveletError('PROFILE_INVALID', `${key}: two properties name this node: play one of their devices`);
    seen.add(key);
  }
}
