/** Owns the eventbus module: MQTT <-> edgecore. It knows topics, not devices; one ingest serves sockets, ports and bridges. */
import type { Bus } from '#beehive/bus.ts';
import { committed, type Committer } from '#beehive/commit.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { isRecord, type BeehiveMessage } from '#wire/message.ts';
import { nodeTopic, parseTopic, subscriptions, topicMatches, type EdgeTopic } from '#wire/topics.ts';
import type { SubTopicTable } from '../store/meta-table.ts';

export const MODULE = 'eventbus';
/** Topics that cloud rules may add; a rule engine that runs wild does not fill the table. */
const MAX_RULE_TOPICS = 1000;

/** As much as the embedded broker takes in one packet. */
const MAX_EXTERNAL_BYTES = 256 * 1024;
/** Levels of a topic that brokers can be expected to take. */
const MAX_LEVELS = 100;
const always: ReadonlySet<string> = new Set([...subscriptions.device, ...subscriptions.node, ...subscriptions.upload]);

export interface Incoming {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retain: boolean;
}

export interface Outgoing {
  topic: string;
  payload: string | Buffer;
  retain?: boolean;
}

/** A way to MQTT clients: the embedded broker's port, or a client of an external broker. */
export interface MqttSide {
  publish(message: Outgoing): void;
  wanted(topic: string): boolean;
  /** External brokers only send what is subscribed; the embedded one shows everything. */
  subscribe(filter: string): void;
  unsubscribe(filter: string): void;
}

export type TwinKind = 'twin.update' | 'twin.get' | 'twin.cloud_updated' | 'state.update' | 'state.get' | 'membership.get';

export interface EventBusOptions {
  node: string;
  bus: Bus<BeehiveMessage>;
  committer: Committer;
  topics: SubTopicTable;
  /** Answers after the commit with what to send once the request was forwarded. */
  twin: {
    request(kind: TwinKind, id: string, payload: Buffer): Promise<() => void>;
    /** Silent about a device that is not ours. */
    requestOfMember(kind: TwinKind, id: string, payload: Buffer): Promise<() => void>;
    /** A report that waits for no answer. */
    report(id: string, payload: Buffer): () => void;
  };
  uploads: { append(topic: string, payload: Buffer): Promise<void> };
  sides: readonly MqttSide[];
  /** To the cloud that sent it, once it was done or (`fault`) refused; a KubeEdge cloud expects none. */
  answer(message: BeehiveMessage, fault?: string): void;
}

export class EventBus implements Module {
  readonly name = MODULE;
  readonly #options: EventBusOptions;
  readonly #ruleTopics = new Set<string>();
  #context: Context | undefined;
  #loop: Promise<void> = Promise.resolve();
  #echoes = 0;
  #oversized = 0;

  constructor(options: EventBusOptions) {
    this.#options = options;
  }

  start(context: Context): Promise<void> {
    const { bus, topics, sides } = this.#options;
    this.#context = context;
    bus.addModule(MODULE);
    bus.addModuleToGroup(MODULE, 'bus');
    for (const topic of topics.list()) this.#ruleTopics.add(topic);
    const filters = [...always, ...this.#ruleTopics];
    for (const side of sides) for (const filter of filters) side.subscribe(filter);
    this.#loop = this.#options.bus.consume(MODULE, (message) => this.#receive(message, context), context.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#options.bus.cleanup(MODULE);
    await this.#loop;
    this.#context = undefined;
  }

  health(): Health {
    const ignored = `${String(this.#echoes)} retained echoes and ${String(this.#oversized)} oversized messages ignored`;
    return { ok: true, detail: `${String(this.#ruleTopics.size)} topics of cloud rules, ${ignored}` };
  }

  /** What the twins publish. */
  publish(message: Outgoing): void {
    for (const side of this.#options.sides) side.publish(message);
  }

  wanted(topic: string): boolean {
    return this.#options.sides.some((side) => side.wanted(topic));
  }

  /**
   * Every publish of a client. Nothing to wait for: undefined. Else a promise that resolves after the commit, with what
   * is to be sent after the publish was forwarded (commit, PUBACK, forward, results). `own`: it comes from our mapper host.
   */
  ingest(message: Incoming, own = false): Promise<void | (() => void)> | undefined {
    // Not running: a request that nobody would answer is not acknowledged either.
    const parsed = parseTopic(message.topic);
    if (this.#context === undefined) return isOurs(parsed) ? Promise.reject(new Error('eventbus is not running')) : undefined;
    switch (parsed.kind) {
      case 'twin.update':
        if (own) return Promise.resolve(this.#options.twin.report(parsed.device, message.payload));
        return this.#options.twin.request(parsed.kind, parsed.device, message.payload);
      case 'twin.get':
      case 'twin.cloud_updated':
      case 'state.update':
      case 'state.get':
        return this.#options.twin.request(parsed.kind, parsed.device, message.payload);
      case 'membership.get':
        return this.#options.twin.request('membership.get', parsed.node, message.payload);
      case 'upload':
        return this.#options.uploads.append(message.topic, message.payload);
      case 'ignored':
        return undefined;
      case 'other':
        return this.#isRuleTopic(message.topic) ? this.#options.uploads.append(message.topic, message.payload) : undefined;
    }
  }

  /**
   * A message of an external broker. What it kept from before we subscribed is no new request: it is ignored and counted. `others` are the
   * edgecores beside us there: about devices that we do not know we say nothing then.
   */
  async ingestExternal(message: Incoming, others: ReadonlySet<string>): Promise<void> {
    const { topic, payload, retain } = message;
    if (retain) {
      this.#echoes++;
      return;
    }
    if (payload.length > MAX_EXTERNAL_BYTES) {
      this.#oversized++;
      return;
    }
    const parsed = parseTopic(topic);
    if (parsed.kind === 'membership.get' && others.has(parsed.node)) return;
    const shared = this.#context !== undefined && others.size > 0 && 'device' in parsed;
    const after = await (shared ? this.#options.twin.requestOfMember(parsed.kind, parsed.device, payload) : this.ingest(message));
    if (typeof after === 'function') after();
  }

  #isRuleTopic(topic: string): boolean {
    if (this.#ruleTopics.size === 0) return false;
    if (this.#ruleTopics.has(topic)) return true;
    for (const filter of this.#ruleTopics) if (topicMatches(filter, topic)) return true;
    return false;
  }

  async #receive(message: BeehiveMessage, context: Context): Promise<void> {
    if (message.route.operation === 'connect') return;
    try {
      const fault = await this.#handle(message);
      if (fault !== undefined) context.log.warn('eventbus.message.dropped', { ...about(message), reason: fault });
      this.#options.answer(message, fault);
    } catch (error) {
      context.log.error('eventbus.message.failed', { ...about(message), error });
      this.#options.answer(message, messageOf(error));
    }
  }

  /** Group user, from the cloud's rule engine (mqtt-topics.md section 8). Answers why it was not done. */
  async #handle({ route, content }: BeehiveMessage): Promise<string | undefined> {
    switch (route.operation) {
      case 'publish':
        return this.#publishRaw(route.resource, typeof content === 'string' ? content : JSON.stringify(content));
      case 'message': {
        const inner = isRecord(content) ? content['message'] : undefined;
        const topic = isRecord(inner) ? inner['topic'] : undefined;
        return typeof topic === 'string' ? this.#publishRaw(topic, JSON.stringify(inner)) : 'the message names no topic';
      }
      case 'subscribe':
        return this.#subscribe(route.resource);
      case 'unsubscribe':
        return this.#unsubscribe(route.resource);
      case 'get_result':
        if (route.resource !== 'auth_info') break;
        this.publish({ topic: nodeTopic.authInfo(this.#options.node), payload: JSON.stringify(content) });
        return undefined;
      default:
    }
    return 'nothing is known of this operation';
  }

  #publishRaw(topic: string, payload: string): string | undefined {
    if (!isName(topic)) return 'not a topic to publish on';
    this.publish({ topic, payload });
    return undefined;
  }

  async #subscribe(filter: string): Promise<string | undefined> {
    if (this.#ruleTopics.has(filter)) return undefined;
    if (!isFilter(filter)) return 'not a topic filter';
    if (this.#ruleTopics.size >= MAX_RULE_TOPICS) return `${String(MAX_RULE_TOPICS)} topics are subscribed`;
    await committed(this.#options.committer, () => this.#options.topics.add(filter));
    this.#ruleTopics.add(filter);
    for (const side of this.#options.sides) side.subscribe(filter);
    return undefined;
  }

  async #unsubscribe(filter: string): Promise<string | undefined> {
    if (!this.#ruleTopics.has(filter)) return undefined;
    await committed(this.#options.committer, () => this.#options.topics.delete(filter));
    this.#ruleTopics.delete(filter);
    // What everybody hears of stays subscribed though a rule no longer wants it.
    if (!always.has(filter)) for (const side of this.#options.sides) side.unsubscribe(filter);
    return undefined;
  }
}

function about({ route }: BeehiveMessage): Record<string, string> {
  return { operation: route.operation, resource: route.resource.slice(0, 200) };
}

function isOurs({ kind }: EdgeTopic): boolean {
  return kind !== 'other' && kind !== 'ignored';
}

function isName(topic: string): boolean {
  return topic !== '' && topic.length <= 1024 && !/[+#\0]/.test(topic) && topic.split('/').length <= MAX_LEVELS;
}

function isFilter(filter: string): boolean {
  return (
    filter !== '' &&
    filter.length <= 1024 &&
    !filter.includes('\0') &&
    filter.split('/').length <= MAX_LEVELS &&
    filter.split('/').every((level, index, all) => level === '+' || (level === '#' ? index === all.length - 1 : !/[+#]/.test(level)))
  );
}
