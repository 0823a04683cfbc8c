/** Owns what the process of a plugin may say and hear: the topics of the devices it was given, and the secrets that these name. Pure. */
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsOf, listOf } from '#device-models/fields.ts';
import { deviceTopic } from '#wire/topics.ts';

const HARDWARE = '$hw/';
const DEVICES = '$hw/events/device/';
/** Deeper than a Device can be written. */
const DEEPEST = 16;

export class Permissions {
  readonly #devices = new Map<string, DeviceProfile>();

  get devices(): ReadonlyMap<string, DeviceProfile> {
    return this.#devices;
  }

  give(profile: DeviceProfile): void {
    this.#devices.set(profile.name, profile);
  }

  take(name: string): void {
    this.#devices.delete(name);
  }

  /** Only what a mapper says of a device of its own, and the topics of their time series. */
  mayPublish(topic: string): boolean {
    const device = deviceOf(topic);
    if (device !== undefined) {
      const said = [deviceTopic.twinUpdate(device), deviceTopic.twinGet(device), deviceTopic.stateUpdate(device)];
      return this.#devices.has(device) && said.includes(topic);
    }
    if (topic.startsWith(HARDWARE) || /[+#\0]/.test(topic)) return false;
    return [...this.#devices.values()].some(({ data }) => data?.topic === topic);
  }

  /** The device that a filter without wildcards belongs to; undefined when it may not be subscribed. */
  subscribable(filter: string): string | undefined {
    const device = deviceOf(filter);
    return device === undefined || !this.#devices.has(device) || /[+#\0]/.test(filter) ? undefined : device;
  }

  /** Whether one of its devices has this very text, spaces around it aside, in its protocol block or a visitor. */
  mayResolve(reference: string): boolean {
    return [...this.#devices.values()].some(
      ({ protocolConfig, properties }) =>
        holds(protocolConfig, reference) || properties.some(({ visitor }) => holds(visitor?.config, reference)),
    );
  }
}

/** The name in a topic of a device. */
export function deviceOf(topic: string): string | undefined {
  if (!topic.startsWith(DEVICES)) return undefined;
  const end = topic.indexOf('/', DEVICES.length);
  return end < 0 ? undefined : topic.slice(DEVICES.length, end);
}

function holds(value: unknown, text: string, depth = 0): boolean {
  if (typeof value === 'string') return value.trim() === text.trim();
  if (depth > DEEPEST || typeof value !== 'object') return false;
  const parts = [...listOf(value), ...Object.values<unknown>(fieldsOf(value) ?? {})];
  return parts.some((part) => holds(part, text, depth + 1));
}
