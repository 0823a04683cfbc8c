/** Owns what is desired of the devices in the file: heard from the twins, as any MQTT client hears it. */
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsAt, fieldsOf, textOf, type Fields } from '#device-models/fields.ts';
import type { PubSub } from '../contract.ts';

export interface DesiredOptions {
  mqtt: PubSub;
  /** Unix ms, for the messages. */
  now: () => number;
  changed: () => void;
}

const ANSWER = 'twin/get/result';
const DOCUMENT = 'twin/update/document';

export class DesiredValues {
  readonly #options: DesiredOptions;
  readonly #values = new Map<string, Map<string, string>>();

  constructor(options: DesiredOptions) {
    this.#options = options;
  }

  of(device: string, property: string): string | undefined {
    return this.#values.get(device)?.get(property);
  }

  /** Until the twin has answered, what the profile came with counts. */
  follow({ name, properties }: DeviceProfile): void {
    const { mqtt, now } = this.#options;
    if (!this.#values.has(name)) {
      this.#values.set(name, new Map(properties.map((property) => [property.name, property.desired?.value ?? ''])));
      mqtt.subscribe(topicOf(name, ANSWER), (_topic, payload) => this.#heard(name, payload, (twin) => twin));
      mqtt.subscribe(topicOf(name, DOCUMENT), (_topic, payload) => this.#heard(name, payload, (change) => fieldsAt(change, 'current')));
    }
    mqtt.publish(topicOf(name, 'twin/get'), JSON.stringify({ event_id: '', timestamp: now() }));
  }

  forget(device: string): void {
    if (!this.#values.delete(device)) return;
    for (const topic of [ANSWER, DOCUMENT]) this.#options.mqtt.unsubscribe(topicOf(device, topic));
  }

  stop(): void {
    for (const device of [...this.#values.keys()]) this.forget(device);
  }

  #heard(device: string, payload: Buffer, twinIn: (entry: Fields) => Fields | undefined): void {
    const known = this.#values.get(device);
    if (known === undefined) return;
    let changed = false;
    for (const [property, entry] of Object.entries(twinsIn(payload))) {
      const value = textOf(fieldsAt(twinIn(fieldsOf(entry) ?? {}), 'expected')?.['value']) ?? '';
      if ((known.get(property) ?? '') === value) continue;
      known.set(property, value);
      changed = true;
    }
    if (changed) this.#options.changed();
  }
}

function topicOf(device: string, what: string): string {
  return `$hw/events/device/${device}/${what}`;
}

function twinsIn(payload: Buffer): Fields {
  try {
    return fieldsAt(JSON.parse(payload.toString('utf8')), 'twin') ?? {};
  } catch {
    return {};
  }
}
