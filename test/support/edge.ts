/** Owns an edge inside the test's process, with an MQTT client beside it. */
import { connect, type MqttClient } from 'mqtt';
import { systemClock, type Clock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { edgeSchema } from '#edge/config.ts';
import { startEdge, type Edge } from '#edge/edgecore.ts';
import { until } from './until.ts';

export interface TestEdge {
  readonly edge: Edge;
  readonly port: number;
  readonly log: LogLine[];
}

export interface TestEdgeOptions {
  dataDir: string;
  node?: string;
  sets?: readonly string[];
  config?: string;
  seed?: string;
  clock?: Clock;
}

/** Listens on a free port; without `hub` it runs without a cloud. */
export async function startTestEdge(options: TestEdgeOptions & { hub?: string }): Promise<TestEdge> {
  const { dataDir, node = 'edge-node', sets = [], hub, clock = systemClock } = options;
  const log: LogLine[] = [];
  const config = loadConfig(edgeSchema, {
    file: options.config,
    sets: [
      'modules.eventBus.mqttServerInternal=tcp://127.0.0.1:0',
      `modules.edged.hostnameOverride=${node}`,
      ...(hub === undefined ? ['modules.edgeHub.enable=false'] : [`modules.edgeHub.websocket.server=${hub}`]),
      ...sets,
    ],
  });
  const logger = createLogger({ clock, level: 'debug', write: (line) => log.push(line) });
  const edge = await startEdge({ config, dataDir, clock, log: logger, seed: options.seed });
  const address = edge.mqtt[0] ?? '';
  return { edge, log, port: Number(address.slice(address.lastIndexOf(':') + 1)) };
}

export interface Seen {
  topic: string;
  payload: string;
  qos: number;
  retain: boolean;
}

export interface MqttWatcher {
  readonly client: MqttClient;
  readonly seen: Seen[];
  publish(topic: string, payload: string | Buffer, options?: { qos?: 0 | 1 | 2; retain?: boolean }): void;
  /** The next message (from `from` on) that fits. */
  message(what: string, fits: (seen: Seen) => boolean, from?: number): Promise<Seen>;
  close(): Promise<void>;
}

/** An MQTT client that records what it is subscribed to. */
export async function watchMqtt(port: number, filters: readonly string[], clientId?: string): Promise<MqttWatcher> {
  const client = connect({
    host: '127.0.0.1',
    port,
    protocol: 'mqtt',
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...(clientId === undefined ? {} : { clientId }),
  });
  const seen: Seen[] = [];
  client.on('message', (topic, payload, packet) =>
    seen.push({ topic, payload: payload.toString('utf8'), qos: packet.qos, retain: packet.retain }),
  );
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
  });
  client.on('error', () => undefined);
  if (filters.length > 0) await client.subscribeAsync([...filters]);
  return {
    client,
    seen,
    publish: (topic, payload, options = {}) => void client.publish(topic, payload, options),
    message: (what, fits, from = 0) => until(() => seen.slice(from).find(fits), { what }),
    close: () => client.endAsync(true),
  };
}

/** Publishes a request and gives the parsed answer with the same event_id. */
export async function ask(mqtt: MqttWatcher, topic: string, body: Record<string, unknown>): Promise<Record<string, unknown>> {
  const eventId = `ask-${String(mqtt.seen.length)}-${topic}`;
  const from = mqtt.seen.length;
  mqtt.publish(topic, JSON.stringify({ event_id: eventId, ...body }));
  const answer = await mqtt.message(
    `the answer to ${topic}`,
    (message) => message.topic.endsWith('/result') && message.payload.includes(eventId),
    from,
  );
  return JSON.parse(answer.payload) as Record<string, unknown>;
}
