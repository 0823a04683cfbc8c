/** Owns the in-process ports: publish and subscribe without a socket, by the same rules as a client. */
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Delivery } from './aedes-inside.ts';
import type { Emitter } from './emitter.ts';
import { PublishQueue } from './publish-queue.ts';
import type { IncomingPublish, Ingest, Outgoing, PublishOptions } from './publish.ts';
import type { Tally } from './tally.ts';
import { filterFault, topicFault } from './topic.ts';

export type PortHandler = (topic: string, payload: Buffer) => void;

export interface BrokerPort {
  readonly name: string;
  /** Throws for an invalid topic only; a failed ingest is logged. */
  publish(topic: string, payload: string | Buffer, options?: PublishOptions): void;
  /** Resolves when the ingest has committed and the message is forwarded; rejects when it was refused. */
  commit(topic: string, payload: string | Buffer, options?: PublishOptions): Promise<void>;
  /** True when a client, session or port would get a message on `topic`: skip the work of making it otherwise. */
  wanted(topic: string): boolean;
  /** The handler runs in a later turn, in order; what it throws is logged. One handler per filter and port. */
  subscribe(filter: string, handler: PortHandler): void;
  unsubscribe(filter: string): void;
  close(): void;
}

export interface PortOptions {
  /** A full citizen: its publishes pass the ingest as those of a socket do. */
  asClient?: boolean;
}

export interface PortDeps {
  emitter: Emitter;
  ingest: Ingest | undefined;
  tally: Tally;
  deliveries: PortDeliveries;
  forward: (message: Outgoing) => void;
  wanted: (topic: string) => boolean;
  /** The port holds nothing any more. */
  closed: (port: BrokerPort) => void;
}

/** Carries messages to handlers in a later turn: publishing inside a handler neither recurses nor starves the sockets. */
export class PortDeliveries {
  readonly #limit: number;
  readonly #tally: Tally;
  #queue: { handler: PortHandler; topic: string; payload: Buffer; port: string }[] = [];
  #scheduled = false;

  constructor(limit: number, tally: Tally) {
    this.#limit = limit;
    this.#tally = tally;
  }

  push(delivery: { handler: PortHandler; topic: string; payload: Buffer; port: string }): void {
    if (this.#queue.length >= this.#limit) {
      this.#tally.count('mqtt.message.dropped', { port: delivery.port, topic: delivery.topic, reason: 'port is slow' });
      return;
    }
    this.#queue.push(delivery);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    const batch = this.#queue;
    this.#queue = [];
    this.#scheduled = false;
    for (const { handler, topic, payload, port } of batch) {
      try {
        handler(topic, payload);
      } catch (error) {
        this.#tally.count('mqtt.handler.failed', { port, topic, error: messageOf(error) });
      }
    }
  }
}

export function createPort(name: string, options: PortOptions, deps: PortDeps): BrokerPort {
  const { emitter, tally, deliveries } = deps;
  const subscriptions = new Map<string, Delivery>();
  const queue = new PublishQueue({
    ingest: options.asClient === true ? deps.ingest : undefined,
    forward: deps.forward,
    failed: (publish, error) => tally.count('mqtt.ingest.failed', { client: name, topic: publish.topic, error: messageOf(error) }),
  });
  const incoming = (topic: string, payload: string | Buffer, { qos = 0, retain = false }: PublishOptions = {}): IncomingPublish => {
    check(topicFault(topic), topic);
    return { topic, payload: typeof payload === 'string' ? Buffer.from(payload) : payload, qos, retain, clientId: name };
  };
  const unsubscribe = (filter: string): void => {
    const deliver = subscriptions.get(filter);
    if (deliver === undefined) return;
    subscriptions.delete(filter);
    emitter.removeListener(filter, deliver);
  };
  const port: BrokerPort = {
    name,
    publish(topic, payload, publishOptions = {}) {
      if (options.asClient === true) return queue.push(incoming(topic, payload, publishOptions));
      check(topicFault(topic), topic);
      deps.forward({ topic, payload, qos: publishOptions.qos ?? 0, retain: publishOptions.retain ?? false, clientId: name });
    },
    commit: (topic, payload, publishOptions) =>
      new Promise((accepted, refused) => queue.push(incoming(topic, payload, publishOptions), { accepted, refused })),
    wanted: deps.wanted,
    subscribe(filter, handler) {
      check(filterFault(filter), filter);
      unsubscribe(filter);
      const deliver: Delivery = ({ topic, payload }, done) => {
        deliveries.push({ handler, topic, payload, port: name });
        done();
      };
      subscriptions.set(filter, deliver);
      emitter.on(filter, deliver);
    },
    unsubscribe,
    close() {
      for (const filter of [...subscriptions.keys()]) unsubscribe(filter);
      queue.close(new HiveletError('STOPPED', `the broker port ${name} is closed`));
      deps.closed(port);
    },
  };
  return port;
}

function check(fault: string | undefined, topic: string): void {
  if (fault !== undefined) throw new Error(`${fault}: ${JSON.stringify(topic.slice(0, 100))}`);
}
