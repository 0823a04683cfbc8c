/** Owns Bluetooth devices made from profiles: every property has its characteristic, values that can only be read move, written ones are kept. */
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, numberOf } from '#device-models/fields.ts';
import { PlayedValues, type PlayedValue } from '#device-models/played-values.ts';
import { readAccess, type BluetoothAccess } from './access.ts';
import { bytesOf, valueOf, type BluetoothPoint } from './codec.ts';
import { readLink } from './link.ts';
import { AD, advertisingData, ATT_ERROR, AttError, VirtualPeripheral } from './sim/index.js';
import { serveAir, tellEvents, type SensorTagsOptions, type ServedAir } from './simulate.ts';
import { uuidText } from './uuid.ts';

export interface ProfileTagsOptions extends Omit<SensorTagsOptions, 'tags'> {
  /** Their properties with a bluetooth visitor are played. */
  profiles: readonly DeviceProfile[];
  stepMs?: number;
  /** Told of each write that was taken. */
  onWrite?: (write: { device: string; property: string; value: PlayedValue }) => void;
}

export interface ProfileTags extends ServedAir {
  readonly devices: readonly PlayedTag[];
}

const STEP_MS = 1000;
const CLASSIC_NOT_SUPPORTED = 0x06;
/** What fits into one packet of a scan. */
const LONGEST_NAME = 29;

/** For a device that is looked for by its name. */
const anAddress = (index: number): string => `a0:e6:f8:00:01:${(index % 256).toString(16).padStart(2, '0')}`;

/** Throws PROFILE_INVALID, PORT_IN_USE. */
export async function startProfileTags(options: ProfileTagsOptions): Promise<ProfileTags> {
  const { clock, profiles, stepMs = STEP_MS, onEvent = () => undefined, onWrite, ...where } = options;
  const served = await serveAir(where);
  try {
    const devices = profiles.map(
      (profile, index) => new PlayedTag(profile, { served, clock, index, ...(onWrite === undefined ? {} : { onWrite }) }),
    );
    for (const { peripheral } of devices) tellEvents(peripheral, onEvent);
    let timer: Timer;
    const step = (): void => {
      for (const device of devices) device.step();
      timer = clock.timer(stepMs, step);
    };
    timer = clock.timer(stepMs, step);
    return {
      ...served,
      devices,
      async close() {
        timer.cancel();
        for (const { peripheral } of devices) peripheral.destroy();
        await served.close();
      },
    };
  } catch (error) {
    await served.close();
    throw error;
  }
}

interface Place {
  readonly point: BluetoothPoint;
  readonly property: PropertyProfile;
  readonly scale: number;
}

interface Deps {
  served: ServedAir;
  clock: Clock;
  /** Its place among those that are played. */
  index: number;
  onWrite?: ProfileTagsOptions['onWrite'];
}

export class PlayedTag {
  readonly name: string;
  readonly values: PlayedValues;
  readonly peripheral: VirtualPeripheral;
  readonly #onWrite: ProfileTagsOptions['onWrite'];
  /** Characteristic -> the properties that are made of it. */
  readonly #places = new Map<string, Place[]>();
  readonly #handles = new Map<string, number>();

  constructor(profile: DeviceProfile, { served, clock, index, onWrite }: Deps) {
    const { address, localName } = readLink(profile.protocolConfig, `${profile.name}: spec.protocol`);
    this.name = profile.name;
    this.#onWrite = onWrite;
    this.peripheral = new VirtualPeripheral({ air: served.air, address: address || anAddress(index) });
    this.peripheral.advertisement = {
      data: advertisingData([AD.FLAGS, Buffer.of(CLASSIC_NOT_SUPPORTED)]),
      scanResponse: advertisingData([AD.COMPLETE_NAME, Buffer.from(localName || profile.name).subarray(0, LONGEST_NAME)]),
    };
    const visited = profile.properties.filter(({ visitor }) => visitor?.protocol.toLowerCase() === 'bluetooth');
    this.values = new PlayedValues({ profile: { name: profile.name, properties: visited }, random: () => clock.random() });
    for (const property of visited) this.#add(property);
    this.#serve();
  }

  step(): void {
    const changed = new Set(this.values.step());
    for (const [uuid, places] of this.#places) if (places.some(({ property }) => changed.has(property.name))) this.#tell(uuid);
  }

  /** Tells what was put by hand, too. */
  show(): void {
    for (const uuid of this.#places.keys()) this.#tell(uuid);
  }

  #add(property: PropertyProfile): void {
    const config = property.visitor?.config ?? {};
    const access: BluetoothAccess = readAccess(config, `${this.name}: visitor of ${property.name}`, property);
    const scale = numberOf(field(config, 'scale'));
    const place = {
      property,
      point: { name: property.name, type: property.type, access },
      scale: scale === undefined || scale === 0 ? 1 : scale,
    };
    this.#places.set(access.characteristic, [...(this.#places.get(access.characteristic) ?? []), place]);
    const [first] = Object.keys(access.dataWrite ?? {}).toReversed();
    // A switch has none of its texts by chance: it begins with the last, which is OFF as a rule.
    if (first !== undefined && property.accessMode === 'ReadWrite') this.values.write(property.name, first);
  }

  #serve(): void {
    const uuids = [...this.#places.keys()];
    const handles = this.peripheral.gatt.addService({
      uuid: 'fff0',
      characteristics: uuids.map((uuid) => {
        const writable = (this.#places.get(uuid) ?? []).some(({ property }) => property.accessMode === 'ReadWrite');
        return {
          uuid: uuidText(uuid),
          properties: ['read', 'notify', ...(writable ? (['write'] as const) : [])],
          read: () => this.#read(uuid),
          write: (bytes: Buffer) => this.#write(uuid, bytes),
        };
      }),
    });
    uuids.forEach((uuid, index) => this.#handles.set(uuid, handles[index] ?? 0));
  }

  #read(uuid: string): Buffer {
    if (this.#isRefused(uuid)) throw new AttError(ATT_ERROR.READ_NOT_PERMITTED);
    return this.#bytes(uuid);
  }

  /** Each property has its bytes of the characteristic. */
  #bytes(uuid: string): Buffer {
    const parts = (this.#places.get(uuid) ?? []).map((place) => this.#part(place));
    const bytes = Buffer.alloc(Math.max(1, ...parts.map(({ at, part }) => at + part.length)));
    for (const { at, part } of parts) bytes.set(part, at);
    return bytes;
  }

  #part({ point, property, scale }: Place): { at: number; part: Uint8Array } {
    const value = this.values.get(property.name);
    const { converter } = point.access;
    const at = converter === undefined ? 0 : Math.min(converter.start, converter.end);
    const shifted = converter === undefined ? undefined : { ...converter, start: converter.start - at, end: converter.end - at };
    const moved = { ...point, access: { ...point.access, ...(shifted === undefined ? {} : { converter: shifted }) } };
    const own = typeof value === 'number' ? value / scale : value;
    try {
      const whole = converter === undefined && typeof own === 'number' ? Math.round(own) : own;
      return { at, part: bytesOf(moved, whole).bytes };
    } catch (error) {
      if (error instanceof HiveletError) return { at, part: new Uint8Array(Math.abs((shifted?.end ?? 0) - (shifted?.start ?? 0)) + 1) };
      throw error;
    }
  }

  #write(uuid: string, bytes: Buffer): void {
    for (const { point, property, scale } of this.#places.get(uuid) ?? []) {
      try {
        const value = valueOf(point, bytes);
        const shown =
          typeof value === 'object'
            ? Buffer.from(value).toString('hex')
            : typeof value === 'string' || typeof value === 'boolean'
              ? value
              : Number(value) * scale;
        this.values.write(property.name, shown);
        this.#onWrite?.({ device: this.name, property: property.name, value: this.values.get(property.name) });
      } catch {
        throw new AttError(ATT_ERROR.APPLICATION);
      }
    }
    this.#tell(uuid);
  }

  /** What is refused is not told, either. */
  #tell(uuid: string): void {
    if (!this.#isRefused(uuid)) this.peripheral.bearer?.notify(this.#handles.get(uuid) ?? 0, this.#bytes(uuid));
  }

  #isRefused(uuid: string): boolean {
    return (this.#places.get(uuid) ?? []).some(({ property }) => this.values.isRefused(property.name));
  }
}
