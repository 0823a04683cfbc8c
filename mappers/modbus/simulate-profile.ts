/** Owns a Modbus TCP device made from profiles: every property has its registers, values that can only be read move, written ones are kept. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, numberOf } from '#device-models/fields.ts';
import { PlayedValues, type PlayedValue } from '#device-models/played-values.ts';
import { readAccess, type ModbusAccess } from './access.ts';
import { decode, encode } from './codec.ts';
import { isBits, type Range, type Space } from './frames.ts';
import { readLink } from './link.ts';
import { ModbusUnit, startModbusServer } from './server.ts';

export interface ProfileDeviceOptions {
  clock: Clock;
  /** Their properties with a modbus visitor are played, each device as a unit of its own; the rest is left out. */
  profiles: readonly DeviceProfile[];
  host?: string;
  /** 0 takes a free one. */
  port?: number;
  /** How often read-only values move, ms. */
  stepMs?: number;
  /** Told of each write that was taken. */
  onWrite?: (write: { device: string; property: string; value: PlayedValue | bigint }) => void;
}

export interface ProfileDevice {
  readonly host: string;
  readonly port: number;
  /** What the registers of each property hold, unscaled; of the first device when none is named. */
  values(device?: string): Record<string, unknown>;
  /** Nobody is answered until it is called with false: as with the cable cut. */
  silence(on: boolean): void;
  /** The values of one of the devices, to set them or let it refuse them. */
  device(name: string): PlayedValues;
  close(): Promise<void>;
}

const ILLEGAL_ADDRESS = 2;
const ILLEGAL_VALUE = 3;
const STEP_MS = 1000;
/** Any port of the file is fine: none is opened. */
const ANY_PORT = ['*'];

/** Resolves when it listens. Throws PROFILE_INVALID for visitors that cannot be used or two devices with one unit id, PORT_IN_USE. */
export async function startProfileDevice(options: ProfileDeviceOptions): Promise<ProfileDevice> {
  const { clock, profiles, host = '127.0.0.1', port = 0, stepMs = STEP_MS, onWrite } = options;
  const units = new Map<number, PlayedUnit>();
  for (const profile of profiles) {
    const id = readLink(profile.protocolConfig, `${profile.name}: spec.protocol`, { allowedSerialPorts: ANY_PORT }).unit;
    const taken = units.get(id);
    if (taken !== undefined)
      throw new HiveletError('PROFILE_INVALID', `${taken.name} and ${profile.name} both have the slave id ${id}: play one of them`);
    units.set(id, new PlayedUnit(profile, { random: () => clock.random(), ...(onWrite === undefined ? {} : { onWrite }) }));
  }
  const find = (name: string): PlayedUnit => {
    const found = [...units.values()].find((unit) => unit.name === name);
    if (found === undefined) throw new HiveletError('NOT_FOUND', `${name} is none of the devices that are played`);
    return found;
  };
  let silent = false;
  const server = await startModbusServer({ host, port, unit: (id) => (silent ? undefined : units.get(id)) });
  let timer: Timer;
  const step = (): void => {
    for (const unit of units.values()) unit.step();
    timer = clock.timer(stepMs, step);
  };
  timer = clock.timer(stepMs, step);
  return {
    host: server.host,
    port: server.port,
    values: (name = profiles[0]?.name ?? '') => find(name).held(),
    silence: (on) => void (silent = on),
    device: (name) => find(name).values,
    close: () => {
      timer.cancel();
      return server.close();
    },
  };
}

interface Place {
  readonly property: PropertyProfile;
  readonly access: ModbusAccess;
  readonly scale: number;
  /** What the registers were filled with last: a value that was put by hand is shown as well. */
  shown: PlayedValue;
}

interface UnitOptions {
  random: () => number;
  onWrite?: ProfileDeviceOptions['onWrite'];
}

class PlayedUnit extends ModbusUnit {
  readonly name: string;
  readonly values: PlayedValues;
  readonly #places: readonly Place[];
  readonly #told: ProfileDeviceOptions['onWrite'];

  constructor(profile: DeviceProfile, { random, onWrite }: UnitOptions) {
    super();
    this.name = profile.name;
    this.#told = onWrite;
    const visited = profile.properties.filter(({ visitor }) => visitor?.protocol.toLowerCase() === 'modbus');
    this.values = new PlayedValues({ profile: { name: profile.name, properties: visited }, random });
    this.#places = visited.map((property) => placeOf(property, this.values.get(property.name)));
    for (const place of this.#places) this.#store(place);
  }

  step(): void {
    this.values.step();
    this.#show();
  }

  held(): Record<string, unknown> {
    return Object.fromEntries(this.#places.map(({ property, access }) => [property.name, this.#decoded(access)]));
  }

  override answer(pdu: Buffer): Buffer {
    this.#show();
    const range = rangeOf(pdu);
    const code = pdu[0] ?? 0;
    const touched = range === undefined ? [] : this.#places.filter(({ access }) => overlaps(access, range));
    if (touched.some(({ property }) => this.values.isRefused(property.name))) return Buffer.from([code | 0x80, ILLEGAL_ADDRESS]);
    if (code < 5) return super.answer(pdu);
    const before = touched.map(({ access }) => this.#words(access));
    const answer = super.answer(pdu);
    if (answer[0] !== code) return answer;
    try {
      for (const place of touched) this.#take(place);
      return answer;
    } catch {
      touched.forEach(({ access }, index) => this.set(access.space, access.address, ...(before[index] ?? [])));
      return Buffer.from([code | 0x80, ILLEGAL_VALUE]);
    }
  }

  /** The registers are the truth of what was written: 64 bits survive there. Throws POINT_REJECTED. */
  #take(place: Place): void {
    const { property, access, scale } = place;
    const raw = this.#decoded(access);
    // 353 × 0.1 is 35.3, and not a hair beyond a maximum of 35.3.
    const value =
      typeof raw === 'object' ? Buffer.from(raw).toString('hex') : scale === 1 ? raw : Number((Number(raw) * scale).toPrecision(12));
    this.values.write(property.name, typeof value === 'number' && property.type === 'int' ? Math.round(value) : value);
    place.shown = this.values.get(property.name);
    this.#told?.({ device: this.name, property: property.name, value: place.shown });
  }

  /** Fills the registers of what has changed since. */
  #show(): void {
    for (const place of this.#places) {
      const value = this.values.get(place.property.name);
      if (value === place.shown) continue;
      place.shown = value;
      this.#store(place);
    }
  }

  #store({ access, scale, shown }: Place): void {
    const { space, address, count } = access;
    const bytes = Buffer.from(encode(access, deviceValue(shown, access, scale)));
    const words = Array.from({ length: count }, (_, index) =>
      isBits(space) ? ((bytes[index >> 3] ?? 0) >> (index & 7)) & 1 : bytes.readUInt16BE(index * 2),
    );
    this.set(space, address, ...words);
  }

  #decoded(access: ModbusAccess): ReturnType<typeof decode> {
    const words = this.#words(access);
    const bits = isBits(access.space);
    const bytes = Buffer.alloc(bits ? Math.ceil(words.length / 8) : words.length * 2);
    words.forEach((word, index) => {
      if (bits) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (word << (index & 7));
      else bytes.writeUInt16BE(word, index * 2);
    });
    return decode(access, bytes);
  }

  #words({ space, address, count }: Range): number[] {
    return Array.from({ length: count }, (_, index) => this.get(space, address + index) ?? 0);
  }
}

function placeOf(property: PropertyProfile, shown: PlayedValue): Place {
  const config = property.visitor?.config ?? {};
  const scale = numberOf(field(config, 'scale'));
  return {
    property,
    access: readAccess(config, `visitor of ${property.name}`, property),
    scale: scale === undefined || scale === 0 ? 1 : scale,
    shown,
  };
}

function deviceValue(value: PlayedValue, { encoding, count }: ModbusAccess, scale: number): number | bigint | string | Uint8Array {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  if (typeof value === 'number') return encoding === 'float' ? value / scale : BigInt(Math.round(value / scale));
  if (encoding === 'bytes') return Buffer.from(value, 'hex').subarray(0, count * 2);
  return Buffer.from(value, 'utf8').subarray(0, count * 2);
}

const spaces: Readonly<Record<number, Space>> = {
  1: 'coil',
  2: 'discrete',
  3: 'holding',
  4: 'input',
  5: 'coil',
  6: 'holding',
  15: 'coil',
  16: 'holding',
};

/** What a request reads or writes. */
function rangeOf(pdu: Buffer): Range | undefined {
  const code = pdu[0] ?? 0;
  const space = spaces[code];
  if (space === undefined || pdu.length < 5) return undefined;
  return { space, address: pdu.readUInt16BE(1), count: code === 5 || code === 6 ? 1 : pdu.readUInt16BE(3) };
}

function overlaps(place: Range, range: Range): boolean {
  return place.space === range.space && place.address < range.address + range.count && range.address < place.address + place.count;
}
