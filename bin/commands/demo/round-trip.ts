/** Owns the round trip of the demo: a setpoint set through the cloud's API, followed on every hop down to the register and back up. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { fieldsAt, numberOf, textOf } from '#device-models/fields.ts';
import { deviceTopic } from '#wire/topics.ts';
import { devices, isKubeError, type KubeApi, type KubeObject } from '../../../cloud/store/kube-api.ts';
import type { LogEvent } from '../children.ts';
import { planDesired } from '../twins/desired-patch.ts';
import type { MqttConversation } from '../twins/mqtt-conversation.ts';
import type { TwinSource } from '../twins/source.ts';
import { missingReport } from './objects.ts';
import { Trace } from './trace.ts';

export const DEVICE = 'thermostat';
export const PROPERTY = 'setpoint';

const hops = {
  sent: `cloud: PATCH Device ${DEVICE}, desired ${PROPERTY}`,
  stored: 'API: stored, on disk',
  down: 'cloudcore: sent to the board',
  received: 'edge: received, on disk, acknowledged',
  delta: `MQTT: ${deviceTopic.twinDelta(DEVICE)}`,
  written: 'thermostat: register written over Modbus',
  document: `MQTT: ${deviceTopic.twinDocument(DEVICE)} shows it reported`,
  reported: 'API: reported in the status of the Device',
} as const;

export interface RoundTripOptions {
  api: KubeApi;
  source: TwinSource;
  mqtt: MqttConversation;
  clock: Clock;
  signal: AbortSignal;
  withinMs: number;
}

export class RoundTrip {
  readonly #options: RoundTripOptions;
  #trace: Trace | undefined;
  #raw = NaN;

  constructor(options: RoundTripOptions) {
    this.#options = options;
  }

  /** To be told each event of a child process. */
  event(child: string, { event, time, fields }: LogEvent): void {
    const atMs = Date.parse(time);
    if (child === 'cloud' && event === 'device.down' && fields['device'] === DEVICE) this.#trace?.mark(hops.down, atMs);
    if (child === 'edge' && event === 'twin.desired.stored' && fields['device'] === DEVICE) this.#trace?.mark(hops.received, atMs);
    const values = fields['values'];
    const written = child === 'thermostat' && event === 'simulator.written' && Array.isArray(values) && numberOf(values[0]) === this.#raw;
    if (written) this.#trace?.mark(hops.written, atMs);
  }

  /** Resolves with the lines of the trace. Throws BUS_TIMEOUT naming what did not happen. */
  async run(value: string): Promise<string[]> {
    const { mqtt, clock, signal, withinMs } = this.#options;
    this.#raw = Math.round(Number(value) * 10);
    const stopMqtt = await mqtt.listen([deviceTopic.twinDelta(DEVICE), deviceTopic.twinDocument(DEVICE)], (topic, body) =>
      this.#heard(topic, body, value),
    );
    const ended = new AbortController();
    const timer = clock.timer(withinMs, () => ended.abort(new HiveletError('BUS_TIMEOUT')));
    try {
      const trace = new Trace(clock.now());
      this.#trace = trace;
      trace.mark(hops.sent, clock.now());
      const stored = await this.#patch(value);
      trace.mark(hops.stored, clock.now());
      await this.#follow(stored, value, AbortSignal.any([ended.signal, signal]));
      await mqtt.until(() => Object.values(hops).every((hop) => trace.has(hop)), 1000);
      return trace.lines();
    } catch (error) {
      if (!ended.signal.aborted) throw error;
      throw await this.#failure(value);
    } finally {
      timer.cancel();
      this.#trace = undefined;
      await stopMqtt();
    }
  }

  #heard(topic: string, body: Record<string, unknown>, value: string): void {
    const now = this.#options.clock.now();
    if (topic === deviceTopic.twinDelta(DEVICE) && textOf(fieldsAt(body, 'delta')?.[PROPERTY]) === value)
      this.#trace?.mark(hops.delta, now);
    const actual = textOf(fieldsAt(body, 'twin', PROPERTY, 'current', 'actual')?.['value']);
    if (topic === deviceTopic.twinDocument(DEVICE) && same(actual, value)) this.#trace?.mark(hops.document, now);
  }

  async #patch(value: string): Promise<KubeObject> {
    const { api, signal } = this.#options;
    const name = { namespace: 'default', name: DEVICE };
    for (;;) {
      const operations = planDesired(await api.get(devices, name, { signal }), [{ property: PROPERTY, value, type: 'float' }]);
      try {
        return await api.patch(devices, name, { type: 'json', operations, signal });
      } catch (error) {
        // A report was written in between: the plan is made anew.
        if (!isKubeError(error, 'Conflict', 'Invalid')) throw error;
      }
    }
  }

  async #follow(from: KubeObject, value: string, signal: AbortSignal): Promise<void> {
    const { api, clock } = this.#options;
    const resourceVersion = from.metadata.resourceVersion ?? '0';
    for await (const event of api.watch(devices, { namespace: 'default', resourceVersion, signal })) {
      if (event.type === 'bookmark' || event.object.metadata.name !== DEVICE) continue;
      if (!same(reportedIn(event.object), value)) continue;
      return this.#trace?.mark(hops.reported, clock.now());
    }
    signal.throwIfAborted();
  }

  async #failure(value: string): Promise<HiveletError> {
    const trace = this.#trace;
    const seconds = this.#options.withinMs / 1000;
    const missing = Object.values(hops).find((hop) => trace?.has(hop) !== true);
    const state = await missingReport(this.#options.source, DEVICE).catch(() => undefined);
    const where = missing === undefined ? '' : `; it got stuck before "${missing}"`;
    return new HiveletError(
      'BUS_TIMEOUT',
      `${PROPERTY} ${value} did not come back within ${seconds} s${where}${state === undefined ? '' : ` (${state})`}`,
    );
  }
}

function reportedIn(device: KubeObject): string | undefined {
  const twins = fieldsAt(device, 'status')?.['twins'];
  const entry = (Array.isArray(twins) ? (twins as unknown[]) : []).find(
    (each) => textOf((each as Record<string, unknown>)['propertyName']) === PROPERTY,
  );
  return textOf(fieldsAt(entry, 'reported')?.['value']);
}

function same(reported: string | undefined, value: string): boolean {
  return reported !== undefined && Math.abs(Number(reported) - Number(value)) < 0.05;
}
