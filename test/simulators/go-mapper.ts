/** Owns a stand-in for a Go mapper of generation B (KubeEdge 1.5 to 1.14): what reference/mappers.md and mqtt-topics.md say that one publishes and reads. */
import { readFileSync } from 'node:fs';
import { connect, type MqttClient } from 'mqtt';
import { within } from '#test/support/until.ts';

export interface GoMapperOptions {
  port: number;
  /** deviceProfile.json; read at start, and when a device is added by a membership message. */
  profile: string;
  /** Only devices of this protocol are its own. */
  protocol: string;
  username?: string;
  password?: string;
}

interface Named {
  name: string;
}

interface ProfileFile {
  deviceInstances: {
    id: string;
    protocol: string;
    model: string;
    twins: { propertyName: string; desired: { value: string; metadata: { type: string } } }[];
    data?: { dataProperties: { propertyName: string; metadata: { type: string } }[] };
    propertyVisitors: {
      propertyName: string;
      modelName: string;
      protocol: string;
      collectCycle: number;
      visitorConfig: { scale: number };
    }[];
  }[];
  deviceModels: { name: string; properties: (Named & { accessMode: string; minimum?: number })[] }[];
  protocols: (Named & { protocol: string })[];
}

/** What its devices hold, and what it was told. */
export class GoMapper {
  readonly client: MqttClient;
  /** device/property -> value. */
  readonly held = new Map<string, number>();
  readonly written: string[] = [];
  readonly logged: string[] = [];
  /** Devices whose cable is cut. */
  readonly cut = new Set<string>();
  readonly #options: GoMapperOptions;
  /** What it was told last: equal values are ignored. */
  readonly #cached = new Map<string, string>();
  readonly #timers = new Map<string, NodeJS.Timeout[]>();

  /** Connects and starts its devices. Any reference of the file that leads nowhere ends it, as it does a real one. */
  static async start(options: GoMapperOptions): Promise<GoMapper> {
    const { port, username, password } = options;
    const client = connect({
      host: '127.0.0.1',
      port,
      protocol: 'mqtt',
      protocolVersion: 4,
      clientId: '',
      clean: true,
      reconnectPeriod: 0,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    await within(
      new Promise<void>((resolve, reject) => {
        client.once('connect', () => resolve());
        client.once('error', reject);
      }),
      { what: 'the connection of the Go mapper' },
    );
    const mapper = new GoMapper(client, options);
    for (const { id } of mapper.#file().deviceInstances) await mapper.#add(id);
    await client.subscribeAsync('$hw/events/node/#', { qos: 0 });
    return mapper;
  }

  constructor(client: MqttClient, options: GoMapperOptions) {
    this.client = client;
    this.#options = options;
    client.on('error', (error) => void this.logged.push(error.message));
    client.on('message', (topic, payload) => this.#receive(topic, payload.toString('utf8')));
  }

  get devices(): string[] {
    return [...this.#timers.keys()].sort();
  }

  async stop(): Promise<void> {
    for (const device of this.devices) this.#remove(device);
    await this.client.endAsync(true);
  }

  /** Once at start, and again when it is told of a device. */
  #file(): ProfileFile {
    const file = JSON.parse(readFileSync(this.#options.profile, 'utf8')) as ProfileFile;
    for (const { properties } of file.deviceModels)
      for (const { minimum } of properties)
        if (minimum !== undefined && !Number.isInteger(minimum)) throw new Error('cannot unmarshal number into int64');
    return file;
  }

  async #add(id: string): Promise<void> {
    const file = this.#file();
    const instance = file.deviceInstances.find((each) => each.id === id);
    const protocol = file.protocols.find(({ name }) => name === instance?.protocol);
    if (instance === undefined || protocol === undefined) throw new Error(`${id}: protocol not found`);
    if (protocol.protocol !== this.#options.protocol || this.#timers.has(id)) return;
    const model = file.deviceModels.find(({ name }) => name === instance.model);
    if (model === undefined) throw new Error(`${id}: device model not found`);
    const timers: NodeJS.Timeout[] = [];
    this.#timers.set(id, timers);
    for (const { propertyName, desired } of instance.twins) {
      const property = model.properties.find(({ name }) => name === propertyName);
      const visitor = instance.propertyVisitors.find((each) => each.propertyName === propertyName && each.modelName === model.name);
      if (property === undefined || visitor === undefined) throw new Error(`${id}: ${propertyName} not found`);
      const key = `${id}/${propertyName}`;
      if (!this.held.has(key)) this.held.set(key, 0);
      if (property.accessMode !== 'ReadOnly') this.#write(key, desired.value);
      timers.push(setInterval(() => this.#report(id, propertyName, desired.metadata.type), visitor.collectCycle / 1e6));
    }
    for (const { propertyName, metadata } of instance.data?.dataProperties ?? [])
      timers.push(setInterval(() => this.#series(id, propertyName, metadata.type), 1000));
    await this.client.subscribeAsync(`$hw/events/device/${id}/twin/update/delta`, { qos: 0 });
    const state = (): void =>
      this.#publish(`$hw/events/device/${id}/state/update`, { state: this.cut.has(id) ? 'DISCONNECTED' : 'OK', attributes: null });
    timers.push(setInterval(state, 1000));
  }

  #remove(id: string): void {
    for (const timer of this.#timers.get(id) ?? []) clearInterval(timer);
    this.#timers.delete(id);
  }

  #receive(topic: string, text: string): void {
    const [, , kind, id = '', ...rest] = topic.split('/');
    if (kind === 'node') return this.#membership(id, rest.join('/'), text);
    const { delta } = JSON.parse(text) as { delta: Record<string, string> };
    for (const [name, value] of Object.entries(delta)) {
      const key = `${id}/${name}`;
      if (!this.held.has(key)) this.logged.push(`Twin not found: ${name}`);
      else if (this.#cached.get(key) !== value) this.#write(key, value);
    }
  }

  /** Genuine messages are no flat map of texts: it logs an error and goes on. */
  #membership(id: string, action: string, text: string): void {
    const body = JSON.parse(text) as Record<string, unknown>;
    if (action !== 'membership/updated' || Object.values(body).some((value) => typeof value !== 'string')) {
      this.logged.push(`cannot unmarshal ${action}`);
      return;
    }
    if (body['option'] === 'remove') this.#remove(id);
    if (body['option'] === 'add') this.#add(id).catch((error: unknown) => this.logged.push(String(error)));
  }

  #write(key: string, text: string): void {
    this.#cached.set(key, text);
    const value = Number(text);
    if (text === '' || Number.isNaN(value)) return void this.logged.push(`Convert data failed: ${key}`);
    this.held.set(key, value);
    this.written.push(`${key}=${text}`);
  }

  #report(id: string, name: string, type: string): void {
    if (this.cut.has(id)) return;
    const value = goText(type, this.held.get(`${id}/${name}`) ?? 0);
    this.#publish(`$hw/events/device/${id}/twin/update`, { twin: { [name]: { actual: { value, metadata: {} }, metadata: { type } } } });
  }

  #series(id: string, name: string, type: string): void {
    if (this.cut.has(id)) return;
    const value = goText(type, this.held.get(`${id}/${name}`) ?? 0);
    this.#publish(`$ke/events/device/${id}/data/update`, { data: { [name]: { value, metadata: { timestamp: Date.now(), type } } } });
  }

  #publish(topic: string, body: Record<string, unknown>): void {
    this.client.publish(topic, JSON.stringify({ event_id: '', timestamp: Date.now(), ...body }), { qos: 0 });
  }
}

/** As Go prints them: six decimals for floats. */
function goText(type: string, value: number): string {
  if (type === 'boolean') return value === 0 ? 'false' : 'true';
  return type === 'float' || type === 'double' ? value.toFixed(6) : String(Math.trunc(value));
}
