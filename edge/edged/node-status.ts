/** Owns this board as a Node: registration and status, told to the cloud (reference/cloud-edge-transport.md section 7). */
import type { Bus } from '#beehive/bus.ts';
import type { Timer } from '#beehive/clock.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { createMessage, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { group, nodeStatusResource, operation, source } from '#wire/resources.ts';
import { boardAddress, boardCapacity, goArch, pressureConditions, readPressure, systemInfo, type NodeCondition } from './board-facts.ts';

export const MODULE = 'edged';
/** To our own cloud: on change and this often; a KubeEdge cloud expects it every `nodeStatusUpdateFrequency`. */
const OWN_STATUS_MS = 5 * 60_000;
/** How often it is looked for a change: of an address, of pressure on memory or disk. */
const LOOK_MS = 30_000;
const ANSWER_MS = 10_000;

export interface NodeStatusOptions {
  node: string;
  namespace: string;
  nodeIp: string;
  /** Its file system is the disk of the node. */
  dataDir: string;
  register: boolean;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
  taints: readonly { key: string; value?: string; effect: string }[];
  frequencyMs: number;
  version: string;
  bus: Bus<BeehiveMessage>;
  cloud: {
    readonly peer: 'offline' | 'kubeedge' | 'hivelet';
    offer(entry: WindowEntry): boolean;
    message(fields: NewMessage): BeehiveMessage;
  };
}

export class NodeStatus implements Module {
  readonly name = MODULE;
  readonly #options: NodeStatusOptions;
  #context: Context | undefined;
  #loop: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #registered = false;
  /** What our cloud has acknowledged, without times; and when (monotonic) it is due again whatever it says. */
  #told = { status: '', dueMs: -Infinity };

  constructor(options: NodeStatusOptions) {
    this.#options = options;
  }

  start(context: Context): Promise<void> {
    this.#context = context;
    this.#options.bus.addModule(MODULE);
    this.#options.bus.addModuleToGroup(MODULE, 'edged');
    this.#loop = this.#options.bus.consume(MODULE, (message) => this.#handle(message), context.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#options.bus.cleanup(MODULE);
    await this.#loop;
  }

  health(): Health {
    return { ok: true, detail: this.#registered ? 'registered' : 'not registered with a cloud yet' };
  }

  #handle({ content }: BeehiveMessage): void {
    if (content === 'cloud_connected') this.#connected();
    if (content === 'cloud_disconnected') this.#timer?.cancel();
  }

  #connected(): void {
    this.#registered = false;
    this.#timer?.cancel();
    if (!this.#options.register) return;
    this.#tick();
  }

  /** One status now, the next after the period; the first after a connect registers. */
  #tick(): void {
    const { cloud, frequencyMs } = this.#options;
    if (cloud.peer === 'offline' || this.#context === undefined) return;
    if (cloud.peer === 'hivelet') this.#tellOurs(this.#context);
    else this.#tellKubeEdge();
    this.#timer = this.#context.clock.timer(cloud.peer === 'hivelet' ? LOOK_MS : frequencyMs, () => this.#tick());
  }

  #tellOurs({ clock }: Context): void {
    const { cloud } = this.#options;
    const status = JSON.stringify({ ...this.#status(), conditions: this.#conditions() });
    const due = clock.monotonic() >= this.#told.dueMs;
    if (this.#registered && !due && status === this.#told.status) return;
    cloud.offer({
      key: 'nodestatus',
      make: () => cloud.message(this.#registered ? this.#statusFields() : this.#registerFields()),
      onAck: () => {
        this.#registered = true;
        this.#told = { status, dueMs: clock.monotonic() + OWN_STATUS_MS };
      },
    });
  }

  /** Registers until the cloud says OK; a status update is not waited for. */
  #tellKubeEdge(): void {
    const { bus } = this.#options;
    const context = this.#context;
    if (context === undefined) return;
    const send = (fields: NewMessage): Promise<BeehiveMessage | undefined> =>
      bus
        .sendSync(source.edgehub, createMessage(context.clock.now(), fields), { timeoutMs: ANSWER_MS, signal: context.signal })
        .catch(() => undefined);
    if (this.#registered) {
      void send(this.#statusFields());
      return;
    }
    void send(this.#registerFields()).then((answer) => {
      this.#registered = answer?.content === 'OK';
      if (!this.#registered) context.log.warn('node.register.unanswered', { node: this.#options.node, answer: answer?.content });
    });
  }

  #registerFields(): NewMessage {
    const { node, namespace, labels, annotations, taints } = this.#options;
    const content = {
      kind: 'Node',
      apiVersion: 'v1',
      metadata: {
        name: node,
        creationTimestamp: null,
        labels: {
          'kubernetes.io/hostname': node,
          'kubernetes.io/os': 'linux',
          'kubernetes.io/arch': goArch(),
          'node-role.kubernetes.io/edge': '',
          'node-role.kubernetes.io/agent': '',
          ...labels,
        },
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      },
      spec: taints.length === 0 ? {} : { taints },
      status: this.#status(),
    };
    return { source: MODULE, group: group.meta, operation: operation.insert, resource: nodeStatusResource(namespace, node), content };
  }

  #statusFields(): NewMessage {
    const { node, namespace } = this.#options;
    const content = { UID: '', Status: this.#status(), ExtendResources: null };
    return { source: MODULE, group: group.meta, operation: operation.update, resource: nodeStatusResource(namespace, node), content };
  }

  #status(): Record<string, unknown> {
    const { node, version, nodeIp, dataDir } = this.#options;
    const time = new Date(this.#context?.clock.now() ?? 0).toISOString().replace(/\.\d+Z$/, 'Z');
    const resources = boardCapacity(dataDir);
    return {
      capacity: resources,
      allocatable: resources,
      conditions: this.#conditions().map((condition) => ({ ...condition, lastHeartbeatTime: time, lastTransitionTime: time })),
      addresses: [
        { type: 'InternalIP', address: boardAddress(nodeIp) },
        { type: 'Hostname', address: node },
      ],
      nodeInfo: systemInfo(version),
    };
  }

  #conditions(): NodeCondition[] {
    const ready: NodeCondition = { type: 'Ready', status: 'True', reason: 'EdgeReady', message: 'edge is posting ready status' };
    return [...pressureConditions(readPressure(this.#options.dataDir)), ready];
  }
}
