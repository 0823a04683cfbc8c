/** Owns a Modbus TCP device made from a profile: every property has its registers, values that can only be read wander within their bounds. */
import type { Clock, Timer } from '#beehive/clock.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, numberOf } from '#device-models/fields.ts';
import { readAccess, type ModbusAccess } from './access.ts';
import { decode, encode } from './codec.ts';
import { isBits, type Range } from './frames.ts';
import { ModbusUnit, startModbusServer } from './server.ts';

export interface ProfileDeviceOptions {
  clock: Clock;
  /** Its properties with a modbus visitor are played; the rest is left out. */
  profile: DeviceProfile;
  host?: string;
  /** 0 takes a free one. */
  port?: number;
  /** How often read-only values move, ms. */
  stepMs?: number;
}

export interface ProfileDevice {
  readonly host: string;
  readonly port: number;
  /** What the registers of each property hold, unscaled. */
  values(): Record<string, unknown>;
  close(): Promise<void>;
}

/** Bounds of a number whose model has none. */
const USUAL_BOUNDS = { least: 0, most: 100 };
/** How far a value moves in a step, as a share of its range. */
const STEP_SHARE = 0.02;

interface Played {
  property: PropertyProfile;
  access: ModbusAccess;
  scale: number;
  /** Scaled, as the twin shows it; numbers only. */
  value: number;
}

/** Resolves when it listens. Throws PROFILE_INVALID for a visitor that cannot be used, PORT_IN_USE. */
export async function startProfileDevice(options: ProfileDeviceOptions): Promise<ProfileDevice> {
  const { clock, profile, host = '127.0.0.1', port = 0, stepMs = 1000 } = options;
  const unit = new ModbusUnit();
  const played = profile.properties.flatMap((property) => playedOf(property) ?? []);
  for (const each of played) store(unit, each);
  const server = await startModbusServer({ host, port, unit: () => unit });
  let timer: Timer;
  const wander = (): void => {
    for (const each of played.filter(({ property }) => property.accessMode === 'ReadOnly')) {
      const { least, most } = boundsOf(each.property);
      each.value = Math.min(most, Math.max(least, each.value + (clock.random() - 0.5) * 2 * STEP_SHARE * (most - least)));
      store(unit, each);
    }
    timer = clock.timer(stepMs, wander);
  };
  timer = clock.timer(stepMs, wander);
  return {
    host: server.host,
    port: server.port,
    values: () => Object.fromEntries(played.map(({ property, access }) => [property.name, decode(access, held(unit, access))])),
    close: () => {
      timer.cancel();
      return server.close();
    },
  };
}

function playedOf(property: PropertyProfile): Played | undefined {
  if (property.visitor?.protocol.toLowerCase() !== 'modbus') return undefined;
  const { config } = property.visitor;
  const { least, most } = boundsOf(property);
  const scale = numberOf(field(config, 'scale'));
  return {
    property,
    access: readAccess(config, `visitor of ${property.name}`, property),
    scale: scale === undefined || scale === 0 ? 1 : scale,
    value: (least + most) / 2,
  };
}

function boundsOf({ type, minimum, maximum }: PropertyProfile): { least: number; most: number } {
  if (type === 'boolean') return { least: 0, most: 1 };
  const least = numberOf(minimum) ?? USUAL_BOUNDS.least;
  return { least, most: Math.max(least, numberOf(maximum) ?? least + USUAL_BOUNDS.most) };
}

function store(unit: ModbusUnit, { property, access, scale, value }: Played): void {
  const text = property.type === 'string' || property.type === 'bytes';
  const bytes = Buffer.from(
    encode(
      access,
      text ? property.name.slice(0, access.count * 2) : access.encoding === 'float' ? value / scale : Math.round(value / scale),
    ),
  );
  const { space, address, count } = access;
  const places = Array.from({ length: count }, (_, index) =>
    isBits(space) ? ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1 : bytes.readUInt16BE(index * 2),
  );
  unit.set(space, address, ...places);
}

function held(unit: ModbusUnit, { space, address, count }: Range): Uint8Array {
  const bytes = Buffer.alloc(isBits(space) ? Math.ceil(count / 8) : count * 2);
  for (let index = 0; index < count; index++) {
    const value = unit.get(space, address + index) ?? 0;
    if (isBits(space)) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (value << (index & 7));
    else bytes.writeUInt16BE(value, index * 2);
  }
  return bytes;
}
