/** Owns twins at the board, over its MQTT topics: read, override locally, follow. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { fieldsAt, fieldsOf, listOf, nameOf, numberOf, textOf, type Fields } from '#device-models/fields.ts';
import { desiredText } from '#device-models/desired.ts';
import { nearestName } from '#device-models/nearest-name.ts';
import { checkText, sameValue, valueTypeOf } from '#device-models/values.ts';
import { deviceTopic, subscriptions } from '#wire/topics.ts';
import type { MqttConversation } from './mqtt-conversation.ts';
import type {
  Change,
  DeviceLine,
  DeviceTwins,
  NodeLine,
  Seen,
  SetOptions,
  SetOutcome,
  TwinLine,
  TwinSource,
  UploadSeen,
} from './source.ts';

const LIST_RESULT = '$hw/events/node/+/membership/get/result';

export class MqttTwins implements TwinSource {
  readonly where: string;
  readonly #mqtt: MqttConversation;
  readonly #clock: Clock;

  constructor(mqtt: MqttConversation, clock: Clock) {
    this.where = mqtt.url;
    this.#mqtt = mqtt;
    this.#clock = clock;
  }

  async devices(): Promise<DeviceLine[]> {
    // Which node is asked does not matter: the board answers for its own.
    const { topic, body } = await this.#mqtt.ask('$hw/events/node/any/membership/get', {}, LIST_RESULT);
    const node = topic.split('/')[3] ?? '';
    return listOf(body['devices']).map((entry) => lineOf(fieldsOf(entry) ?? {}, node));
  }

  nodes(): Promise<NodeLine[]> {
    throw new HiveletError('USAGE', 'a board knows no other nodes: nodes need the API, so name a kubeconfig with --kubeconfig');
  }

  async twins(device: string): Promise<DeviceTwins> {
    const { body } = await this.#ask(device, 'get', {});
    const all = await this.devices();
    const line = all.find(({ name }) => name === device) ?? lineOf({ id: device }, '');
    const twins = Object.entries(fieldsAt(body, 'twin') ?? {}).map(([name, twin]) => twinLineOf(name, fieldsOf(twin)));
    return { device: line, twins };
  }

  async set(device: string, changes: readonly Change[], { waitMs }: SetOptions): Promise<SetOutcome[]> {
    const { twins } = await this.twins(device);
    const checked = changes.map((change) => checkLocal(device, twins, change));
    const twin = Object.fromEntries(checked.map(({ property, value, type }) => [property, { expected: { value }, metadata: { type } }]));
    const started = this.#clock.monotonic();
    // Listened to before anything is asked, so that a fast device is not missed.
    const documents: Fields[] = [];
    const stop = await this.#mqtt.listen([deviceTopic.twinDocument(device)], (_topic, body) => documents.push(body));
    try {
      await this.#ask(device, 'update', { twin });
      const settled = new Map<string, Partial<SetOutcome>>();
      const take = (property: string, reported: string | undefined): void => {
        const wanted = checked.find((each) => each.property === property);
        if (
          wanted === undefined ||
          settled.has(property) ||
          reported === undefined ||
          !sameValue(wanted.type, wanted.value, reported, wanted.tolerance)
        )
          return;
        settled.set(property, { reported, afterMs: this.#clock.monotonic() - started });
      };
      for (const { property, reported } of twins) take(property, reported);
      const done = (): boolean => {
        for (const document of documents.splice(0)) {
          for (const [property, sides] of Object.entries(fieldsAt(document, 'twin') ?? {})) {
            take(property, textOf(fieldsAt(sides, 'current', 'actual')?.['value']));
          }
        }
        return settled.size === checked.length;
      };
      if (waitMs > 0) await this.#mqtt.until(done, waitMs);
      return checked.map(({ property, value }) => {
        const before = twins.find((line) => line.property === property)?.desired;
        const reason = waitMs > 0 ? { reason: 'no mapper reported it' } : {};
        return { property, value, ...(before === undefined ? {} : { before }), ...(settled.get(property) ?? reason) };
      });
    } finally {
      await stop();
    }
  }

  async watch(names: readonly string[], seen: (change: Seen) => void, signal: AbortSignal): Promise<void> {
    const devices = names.length > 0 ? names : ['+'];
    for (const name of names.length > 0 ? names : (await this.devices()).map((device) => device.name)) {
      for (const twin of (await this.twins(name)).twins) seen({ kind: 'twin', device: name, twin });
    }
    const filters = devices.flatMap((device) => [deviceTopic.twinDocument(device), deviceTopic.stateGetResult(device)]);
    const stop = await this.#mqtt.listen(filters, (topic, body) => {
      const device = topic.split('/')[3] ?? '';
      const state = nameOf(fieldsAt(body, 'device')?.['state']);
      if (state !== undefined) seen({ kind: 'state', device, state });
      for (const [name, sides] of Object.entries(fieldsAt(body, 'twin') ?? {})) {
        const current = fieldsAt(sides, 'current');
        if (current !== undefined) seen({ kind: 'twin', device, twin: twinLineOf(name, current) });
      }
    });
    try {
      await this.#mqtt.untilEnd(signal);
    } finally {
      await stop();
    }
  }

  async uploads(seen: (upload: UploadSeen) => void, signal: AbortSignal): Promise<void> {
    const stop = await this.#mqtt.listenRaw(subscriptions.upload, (topic, payload) =>
      seen({ atMs: this.#clock.now(), node: '', topic, payload }),
    );
    try {
      await this.#mqtt.untilEnd(signal);
    } finally {
      await stop();
    }
  }

  close(): Promise<void> {
    return this.#mqtt.close();
  }

  /** A question about a device, with what the edge refused turned into an error. */
  async #ask(device: string, what: 'get' | 'update', body: Fields): Promise<{ topic: string; body: Fields }> {
    const [topic, result] =
      what === 'get'
        ? [deviceTopic.twinGet(device), deviceTopic.twinGetResult(device)]
        : [deviceTopic.twinUpdate(device), deviceTopic.twinResult(device)];
    const answer = await this.#mqtt.ask(topic, body, result);
    const code = numberOf(answer.body['code']);
    if (code === undefined || code === 200) return answer;
    const reason = textOf(answer.body['reason']) ?? 'it gave no reason';
    if (code !== 404) throw new HiveletError('VALUE_INVALID', `the edge at ${this.where} refused it (${code}): ${reason}`);
    const near = nearestName(
      device,
      (await this.devices()).map(({ name }) => name),
    );
    throw new HiveletError(
      'NOT_FOUND',
      `there is no device ${device} at ${this.where}; ${near === undefined ? 'see `hivelet get devices`' : `did you mean ${near}?`}`,
    );
  }
}

function lineOf(entry: Fields, node: string): DeviceLine {
  const lastSeenMs = Date.parse(textOf(entry['last_online']) ?? '');
  return {
    namespace: '',
    name: nameOf(entry['id']) ?? '',
    node,
    model: '',
    protocol: '',
    state: nameOf(entry['state']) ?? '',
    ...(Number.isNaN(lastSeenMs) ? {} : { lastSeenMs }),
    note: '',
  };
}

function twinLineOf(property: string, twin: Fields | undefined): TwinLine {
  const type = nameOf(fieldsAt(twin, 'metadata')?.['type']) ?? 'string';
  const desired = textOf(fieldsAt(twin, 'expected')?.['value']);
  const reported = textOf(fieldsAt(twin, 'actual')?.['value']);
  const at = numberOf(fieldsAt(twin, 'actual', 'metadata')?.['timestamp']);
  const met = desired !== undefined && reported !== undefined && sameValue(type, desired, reported);
  return {
    property,
    type,
    unit: '',
    readOnly: false,
    ...(desired === undefined ? {} : { desired }),
    ...(reported === undefined ? {} : { reported }),
    ...(at === undefined ? {} : { reportedAtMs: at }),
    state: desired === undefined ? '' : met ? 'in sync' : 'pending',
  };
}

interface Local extends Change {
  type: string;
  tolerance: number;
}

/** A board tells names and types, not ranges; the mapper refuses what is outside. */
function checkLocal(device: string, twins: readonly TwinLine[], { property, value }: Change): Local {
  const known = twins.find((twin) => twin.property === property);
  if (known === undefined) {
    const near = nearestName(
      property,
      twins.map((twin) => twin.property),
    );
    const remedy = near === undefined ? `it has ${twins.map((twin) => twin.property).join(', ') || 'none'}` : `did you mean ${near}?`;
    throw new HiveletError('NOT_FOUND', `${device} has no property ${property}; ${remedy}`);
  }
  const type = valueTypeOf(known.type);
  const text = type === undefined ? value : desiredText(type, value);
  if (text === undefined || checkText(known.type, text) !== undefined) {
    throw new HiveletError('VALUE_INVALID', `${device}.${property} is of type ${known.type}, and "${value}" is none`);
  }
  // Registers round: what cannot be told apart at three digits is taken for reached.
  return { property, value: text, type: known.type, tolerance: type === 'float' || type === 'double' ? 0.051 : 0 };
}
