/** Owns a stand-in for the JavaScript Modbus mapper of generation A (KubeEdge up to 1.4): what reference/mappers.md 2.5 says that one does. */
import { readFileSync } from 'node:fs';
import { connect, type MqttClient } from 'mqtt';
import { within } from '#test/support/until.ts';

export interface JsMapperOptions {
  port: number;
  /** deviceProfile.json in the layout of v1alpha1. */
  profile: string;
  /** It polls every 2 s; a test has less time. */
  pollMs: number;
}

interface Visitor {
  name: string;
  propertyName: string;
  modelName: string;
  protocol: string;
  /** Address and count, as that mapper calls them. */
  visitorConfig: { register: string; index: number; offset: number; scale: number };
}

interface ProfileFile {
  deviceInstances: { id: string; name: string; protocol: string; model: string }[];
  deviceModels: {
    name: string;
    properties: { name: string; dataType: string; accessMode: string; minimum?: number; maximum?: number }[];
  }[];
  propertyVisitors: Visitor[];
  protocols: { name: string; protocol: string; protocol_config: { slaveID: string | number; ip?: string; port?: number } }[];
}

interface Side {
  value?: string;
  metadata?: { timestamp?: number };
}

type Twins = Record<string, { expected?: Side; actual?: Side; metadata?: { type?: string } } | null>;

export class JsMapper {
  readonly client: MqttClient;
  /** device -> register address -> what it holds. */
  readonly registers = new Map<string, Map<number, number>>();
  readonly written: string[] = [];
  readonly #file: ProfileFile;
  readonly #last = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;

  static async start(options: JsMapperOptions): Promise<JsMapper> {
    const client = connect({ host: '127.0.0.1', port: options.port, protocol: 'mqtt', protocolVersion: 4, reconnectPeriod: 0 });
    await within(new Promise<void>((resolve) => client.once('connect', () => resolve())), { what: 'the connection of the JS mapper' });
    const mapper = new JsMapper(client, options);
    await client.subscribeAsync(['$hw/events/device/+/twin/get/result', '$hw/events/device/+/twin/update/delta'], { qos: 0 });
    for (const { id } of mapper.#devices()) mapper.#publish(`$hw/events/device/${id}/twin/get`, { twin: null });
    mapper.#timer = setInterval(() => mapper.#poll(), options.pollMs);
    return mapper;
  }

  constructor(client: MqttClient, { profile }: JsMapperOptions) {
    this.client = client;
    this.#file = JSON.parse(readFileSync(profile, 'utf8')) as ProfileFile;
    for (const { id } of this.#devices()) this.registers.set(id, new Map());
    client.on('error', () => undefined);
    client.on('message', (topic, payload) => this.#receive(topic, payload.toString('utf8')));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.client.endAsync(true);
  }

  #devices(): ProfileFile['deviceInstances'] {
    return this.#file.deviceInstances.filter(({ protocol }) => {
      const found = this.#file.protocols.find(({ name }) => name === protocol);
      return (found?.protocol === 'modbus-tcp' && found.protocol_config.ip !== undefined) || found?.protocol === 'modbus-rtu';
    });
  }

  #visitor(id: string, property: string): Visitor | undefined {
    const model = this.#file.deviceInstances.find((each) => each.id === id)?.model;
    return this.#file.propertyVisitors.find((visitor) => visitor.modelName === model && visitor.propertyName === property);
  }

  #receive(topic: string, text: string): void {
    const segments = topic.split('/');
    if (segments.length !== 7) return;
    const body = JSON.parse(text) as { code?: number; twin?: Twins };
    if (body.code === 404) return;
    const id = segments[3] ?? '';
    for (const [name, twin] of Object.entries(body.twin ?? {})) {
      const [expected, actual] = [twin?.expected, twin?.actual];
      const newer = (expected?.metadata?.timestamp ?? NaN) > (actual?.metadata?.timestamp ?? NaN);
      if (twin?.metadata?.type === undefined || expected?.value === undefined || expected.value === actual?.value || !newer) continue;
      const visitor = this.#visitor(id, name);
      if (visitor?.visitorConfig.register !== 'HoldingRegister') continue;
      this.written.push(`${id}/${name}=${expected.value}`);
      this.registers.get(id)?.set(visitor.visitorConfig.index, Math.trunc(Number(expected.value)));
    }
  }

  /** Publishes what has changed, with its own misspelling. */
  #poll(): void {
    for (const { id, model } of this.#devices()) {
      const { properties = [] } = this.#file.deviceModels.find(({ name }) => name === model) ?? {};
      for (const { name, minimum, maximum } of properties) {
        const visitor = this.#visitor(id, name);
        if (visitor === undefined) continue;
        const { index, scale } = visitor.visitorConfig;
        const raw = (this.registers.get(id)?.get(index) ?? 0) * (scale === 0 ? 1 : scale);
        const value = String(Math.min(maximum ?? Infinity, Math.max(minimum ?? -Infinity, raw)));
        if (this.#last.get(`${id}/${name}`) === value) continue;
        this.#last.set(`${id}/${name}`, value);
        this.#publish(`$hw/events/device/${id}/twin/update`, {
          twin: { [name]: { actual: { value, metadata: { timestamp: Date.now() } }, metadata: { tyep: 'Updated' } } },
        });
        // Nobody listens to this one.
        this.#publish(`$hw/devices/${id}/events/properties/get`, { header: { msg_id: '1' }, route: { resource: id }, content: value });
      }
    }
  }

  #publish(topic: string, body: Record<string, unknown>): void {
    this.client.publish(topic, JSON.stringify({ event_id: '', timestamp: Date.now(), ...body }), { qos: 0 });
  }
}
