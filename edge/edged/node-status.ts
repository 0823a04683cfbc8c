/** Owns this board as a Node: registration and status, told to the cloud (reference/cloud-edge-transport.md section 7). */
import { arch, cpus, networkInterfaces, release, totalmem, version as kernelVersion } from 'node:os';
import { readFileSync } from 'node:fs';
import type { Bus } from '#beehive/bus.ts';
import type { Timer } from '#beehive/clock.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { createMessage, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { group, nodeStatusResource, operation, source } from '#wire/resources.ts';

export const MODULE = 'edged';
/** To our own cloud: on change and this often; a KubeEdge cloud expects it every `nodeStatusUpdateFrequency`. */
const OWN_STATUS_MS = 5 * 60_000;
const ANSWER_MS = 10_000;

export interface NodeStatusOptions {
  node: string;
  namespace: string;
  nodeIp: string;
  register: boolean;
  labels: Readonly<Record<string, string>>;
  annotations: Readonly<Record<string, string>>;
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
    if (cloud.peer === 'hivelet') this.#tellOurs();
    else this.#tellKubeEdge();
    this.#timer = this.#context.clock.timer(cloud.peer === 'hivelet' ? OWN_STATUS_MS : frequencyMs, () => this.#tick());
  }

  #tellOurs(): void {
    const { cloud } = this.#options;
    const fields = this.#registered ? this.#statusFields() : this.#registerFields();
    cloud.offer({
      key: 'nodestatus',
      make: () => cloud.message(fields),
      onAck: () => {
        this.#registered = true;
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
    const { node, namespace, labels, annotations } = this.#options;
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
      spec: {},
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
    const { node, version } = this.#options;
    const time = new Date(this.#context?.clock.now() ?? 0).toISOString().replace(/\.\d+Z$/, 'Z');
    const resources = { cpu: String(cpus().length), memory: `${String(Math.floor(totalmem() / 1024))}Ki`, pods: '0' };
    return {
      capacity: resources,
      allocatable: resources,
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'EdgeReady',
          message: 'edge is posting ready status',
          lastHeartbeatTime: time,
          lastTransitionTime: time,
        },
      ],
      addresses: [
        { type: 'InternalIP', address: this.#address() },
        { type: 'Hostname', address: node },
      ],
      nodeInfo: {
        machineID: readText('/etc/machine-id'),
        systemUUID: '',
        bootID: readText('/proc/sys/kernel/random/boot_id'),
        kernelVersion: release(),
        osImage: osImage() || kernelVersion(),
        containerRuntimeVersion: 'none://0',
        kubeletVersion: version,
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture: goArch(),
      },
    };
  }

  #address(): string {
    if (this.#options.nodeIp !== '') return this.#options.nodeIp;
    const outside = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .find((entry) => !entry.internal && entry.family === 'IPv4');
    return outside?.address ?? '127.0.0.1';
  }
}

function goArch(): string {
  const names: Record<string, string> = { x64: 'amd64', arm64: 'arm64', arm: 'arm' };
  return names[arch()] ?? arch();
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function osImage(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readText('/etc/os-release'))?.[1] ?? '';
}
