/** Owns an embedded broker and its clients for one test: free ports, collected messages and log lines, everything closed at the end. */
import { connect as connectTcp, type Socket } from 'node:net';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { systemClock } from '#beehive/clock.ts';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { createBroker, type Broker, type BrokerOptions } from '#edge/broker/broker.ts';
import { until, within } from '#test/support/until.ts';

export interface Received {
  topic: string;
  text: string;
  qos: number;
  retain: boolean;
  dup: boolean;
}

export interface TestClient {
  client: MqttClient;
  received: Received[];
  texts(): string[];
  subscribe(filter: string, qos?: 0 | 1 | 2): Promise<number | undefined>;
  publish(topic: string, payload: string | Buffer, options?: { qos?: 0 | 1 | 2; retain?: boolean }): Promise<unknown>;
  end(): Promise<void>;
}

/** Speaks MQTT packet by packet, so that it can also do what no client does. */
export interface RawClient {
  socket: Socket;
  packets: Packet[];
  send(...packets: Packet[]): void;
  write(bytes: Buffer): void;
  connect(options?: { clientId?: string; clean?: boolean; keepalive?: number }): Promise<void>;
  packet(cmd: Packet['cmd']): Promise<Packet>;
  closed: Promise<unknown>;
}

export class BrokerWorld {
  readonly lines: LogLine[] = [];
  #options: Partial<BrokerOptions> = {};
  #broker: Broker | undefined;
  readonly #clients: TestClient[] = [];
  readonly #sockets: Socket[] = [];

  get broker(): Broker {
    if (this.#broker === undefined) throw new Error('no broker');
    return this.#broker;
  }

  get port(): number {
    return this.broker.listeners[0]?.port ?? 0;
  }

  async start(options: Partial<BrokerOptions> = {}): Promise<Broker> {
    this.#options = options;
    const log = createLogger({ clock: systemClock, level: 'debug', write: (line) => this.lines.push(line) });
    this.#broker = createBroker({ clock: systemClock, log, listeners: [{ address: 'tcp://127.0.0.1:0' }], ...options });
    await this.#broker.start();
    return this.#broker;
  }

  /** The same store, the same port. */
  async restart(): Promise<Broker> {
    const { port } = this;
    await this.broker.close();
    return this.start({ ...this.#options, listeners: [{ address: `tcp://127.0.0.1:${port}` }] });
  }

  events(name: string): LogLine[] {
    return this.lines.filter(({ event }) => event === name);
  }

  async client(options: IClientOptions = {}): Promise<TestClient> {
    const client = mqtt.connect({
      host: '127.0.0.1',
      port: this.port,
      protocol: 'mqtt',
      protocolVersion: 4,
      reconnectPeriod: 0,
      ...options,
    });
    client.on('error', () => undefined);
    const received: Received[] = [];
    client.on(
      'message',
      (topic, payload, { qos, retain, dup }) => void received.push({ topic, text: payload.toString(), qos, retain, dup }),
    );
    await within(new Promise((resolve) => client.once('connect', resolve)), { what: 'CONNACK' });
    if ('setNoDelay' in client.stream) (client.stream as Socket).setNoDelay(true);
    const made: TestClient = {
      client,
      received,
      texts: () => received.map(({ text }) => text),
      subscribe: async (filter, qos = 0) => (await client.subscribeAsync(filter, { qos }))[0]?.qos,
      publish: (topic, payload, publishOptions) => client.publishAsync(topic, payload, publishOptions ?? {}),
      end: () => client.endAsync(true),
    };
    this.#clients.push(made);
    return made;
  }

  raw(): RawClient {
    const socket = connectTcp({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.#sockets.push(socket);
    const packets: Packet[] = [];
    const parser = mqttPacket.parser({ protocolVersion: 4 });
    parser.on('packet', (packet) => void packets.push(packet));
    socket.on('data', (chunk) => void parser.parse(chunk));
    socket.on('error', () => undefined);
    const made: RawClient = {
      socket,
      packets,
      send: (...sent) => void socket.write(Buffer.concat(sent.map((packet) => mqttPacket.generate(packet)))),
      write: (bytes) => void socket.write(bytes),
      connect: async ({ clientId = '', clean = true, keepalive = 0 } = {}) => {
        made.send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean, keepalive });
        await made.packet('connack');
      },
      packet: (cmd) => until(() => packets.find((packet) => packet.cmd === cmd), { what: `a ${cmd}`, everyMs: 2 }),
      closed: new Promise((resolve) => socket.once('close', resolve)),
    };
    return made;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.destroy();
    for (const client of this.#clients.splice(0)) await client.end().catch(() => undefined);
    await this.#broker?.close();
    this.#broker = undefined;
    this.lines.length = 0;
  }
}
