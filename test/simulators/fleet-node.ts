/** Owns one simulated edge of a fleet: it registers, keeps the devices it is told, reports, and checks that nothing it is told goes backwards. */
import WebSocket from 'ws';
import type { DeviceEntry, MembershipDetail, MembershipUpdate, MsgTwin, TwinMessage } from '#wire/device-messages.ts';
import { DEFAULT_PROJECT_ID, headers } from '#wire/handshake.ts';
import { createMessage, responseTo, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import { deviceResource, group, membershipDetail, nodeStatusResource, operation, parseDeviceResource, source } from '#wire/resources.ts';

export interface FleetNodeOptions {
  name: string;
  /** uuid of its database. */
  store: string;
  /** PEM texts. */
  tls: { ca: string; cert: string; key: string };
  /** The hub's port for the next try: a fleet fails over between several. */
  port: () => number;
  /** Wait before the next try, in ms. */
  backoffMs: () => number;
  /** A desired value that this node did not have was told. */
  desired: (change: { node: string; device: string; property: string; value: string }) => void;
  /** What must never happen, in words. */
  fault: (text: string) => void;
}

interface Twin {
  expected?: string;
  cloudVersion: number;
  actual: string;
  edgeVersion: number;
}

export interface FleetDevice {
  uid: string;
  clusterUid: string;
  hash: string;
  twins: Map<string, Twin>;
}

export class FleetNode {
  readonly name: string;
  readonly devices = new Map<string, FleetDevice>();
  /** Frames received since the start, answers included. */
  received = 0;
  links = 0;
  readonly #options: FleetNodeOptions;
  #socket: WebSocket | undefined;
  readonly #left = new Set<WebSocket>();
  #timer: NodeJS.Timeout | undefined;
  #port = 0;
  #clusterUid = '';
  #version = 0;
  /** Newest version that it was told of. */
  #told = 0;
  #stopped = false;

  constructor(options: FleetNodeOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Of the hub that it is connected to, or tries to reach. */
  get port(): number {
    return this.#port;
  }

  get connected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  connect(): void {
    const { name, store, tls, port } = this.#options;
    this.#port = port();
    const socket = new WebSocket(`wss://127.0.0.1:${String(this.#port)}/${DEFAULT_PROJECT_ID}/${name}/events`, {
      ...tls,
      perMessageDeflate: false,
      handshakeTimeout: 30_000,
      headers: {
        [headers.nodeId]: name,
        [headers.projectId]: DEFAULT_PROJECT_ID,
        [headers.connectionUse]: 'msg',
        [headers.protocol]: '1',
        [headers.store]: store,
      },
    });
    this.#socket = socket;
    socket.on('upgrade', (response) => (this.#clusterUid = String(response.headers[headers.cluster] ?? '')));
    socket.on('open', () => this.#opened());
    socket.on('message', (data: Buffer) => {
      if (this.#socket === socket) this.#receive(JSON.parse(data.toString('utf8')) as BeehiveMessage);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed(socket));
  }

  /** The value is what a sensor read: a new version each time. */
  report(device: string, property: string, value: string): void {
    const known = this.devices.get(device);
    const twin = known?.twins.get(property);
    if (known === undefined || twin === undefined) return;
    twin.actual = value;
    twin.edgeVersion = ++this.#version;
    this.#tell(device, known, new Map([[property, twin]]));
  }

  /** Cuts the link without a good-bye; it connects again by itself. */
  cut(): void {
    this.#socket?.terminate();
  }

  /** Dials again while the old link stays open and silent, as after a cut cable: its cloud does not know. */
  leave(): void {
    const socket = this.#socket;
    if (socket === undefined || !this.connected) return;
    this.#left.add(socket);
    socket.pause();
    this.#timer = setTimeout(() => this.connect(), this.#options.backoffMs());
    this.#socket = undefined;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
    for (const socket of this.#left) socket.terminate();
  }

  #opened(): void {
    this.links += 1;
    this.#send({
      source: source.edged,
      group: group.meta,
      operation: operation.insert,
      resource: nodeStatusResource('default', this.name),
      content: nodeObject(this.name),
    });
    const known = Object.fromEntries([...this.devices.values()].map(({ uid, hash }) => [uid, hash]));
    const content = {
      event_type: 'group_membership_event',
      event_id: this.name,
      group_id: this.name,
      operation: 'detail',
      timestamp: 0,
      hivelet: { cluster_uid: this.#clusterUid, known, version: this.#told },
    };
    const head = { source: source.twin, group: group.resource, operation: operation.get, resource: membershipDetail };
    this.#send({ ...head, content: JSON.stringify(content) });
    for (const [id, device] of this.devices) this.#tell(id, device, device.twins);
  }

  #closed(socket: WebSocket): void {
    this.#left.delete(socket);
    if (this.#socket !== socket || this.#stopped) return;
    this.#timer = setTimeout(() => this.connect(), this.#options.backoffMs());
  }

  #tell(id: string, device: FleetDevice, twins: ReadonlyMap<string, Twin>): void {
    const parts = [...twins].filter(([, { edgeVersion }]) => edgeVersion > 0);
    if (!this.connected || parts.length === 0) return;
    const twin = Object.fromEntries(
      parts.map(([name, { actual, edgeVersion }]): [string, MsgTwin] => [
        name,
        {
          actual: { value: actual, metadata: { timestamp: Date.now() } },
          optional: false,
          metadata: { type: 'int' },
          actual_version: { cloud: 0, edge: edgeVersion },
        },
      ]),
    );
    const content: TwinMessage = { event_id: '', timestamp: 0, twin, hivelet: { uid: device.uid, cluster_uid: device.clusterUid } };
    this.#send({
      source: source.twin,
      group: group.resource,
      operation: operation.update,
      resource: deviceResource.edgeUpdated(id),
      content,
    });
  }

  #send(fields: NewMessage): void {
    if (this.connected) this.#socket?.send(JSON.stringify(createMessage(0, fields)));
  }

  #receive(message: BeehiveMessage): void {
    this.received += 1;
    if (message.header.parent_msg_id !== undefined) return;
    const { resource } = message.route;
    if (resource === membershipDetail) this.#takeDetail(message.content as MembershipDetail);
    else if (resource === 'membership') this.#takeMembership(message.content as MembershipUpdate);
    else {
      const parsed = parseDeviceResource(resource);
      if (parsed?.kind === 'cloud_updated') this.#takeDesired(parsed.id, message.content as TwinMessage);
    }
    this.#socket?.send(JSON.stringify(responseTo(message, 0)));
  }

  #takeDetail({ devices, hivelet }: MembershipDetail): void {
    for (const entry of devices) this.#add(entry);
    for (const id of hivelet?.removed ?? []) this.devices.delete(id);
  }

  #takeMembership({ added_devices: added, removed_devices: removed }: MembershipUpdate): void {
    for (const { id } of removed ?? []) this.devices.delete(id);
    for (const entry of added ?? []) this.#add(entry);
  }

  #add({ id, twin = {}, hivelet }: DeviceEntry): void {
    if (hivelet === undefined) return this.#options.fault(`${this.name}: ${id} came without our extension`);
    let device = this.devices.get(id);
    if (device?.uid !== hivelet.uid) {
      device = { uid: hivelet.uid, clusterUid: hivelet.cluster_uid, hash: hivelet.hash, twins: new Map() };
      this.devices.set(id, device);
    }
    device.hash = hivelet.hash;
    this.#takeTwins(id, device, twin);
  }

  #takeDesired(id: string, { twin, hivelet }: TwinMessage): void {
    const device = this.devices.get(id);
    if (device === undefined) return this.#options.fault(`${this.name}: a desired value for ${id}, which it does not have`);
    if (hivelet?.hash !== undefined) device.hash = hivelet.hash;
    this.#takeTwins(id, device, twin);
  }

  #takeTwins(id: string, device: FleetDevice, parts: Record<string, MsgTwin | null>): void {
    for (const [property, part] of Object.entries(parts)) {
      if (part === null) continue;
      const twin = device.twins.get(property) ?? { cloudVersion: 0, actual: '0', edgeVersion: 0 };
      device.twins.set(property, twin);
      const version = part.expected_version?.cloud ?? 0;
      const value = part.expected?.value;
      if (version < twin.cloudVersion && value !== twin.expected) {
        this.#options.fault(`${this.name}/${id}/${property}: ${String(value)} of version ${version} after ${twin.cloudVersion}`);
      }
      this.#told = Math.max(this.#told, version);
      if (version < twin.cloudVersion) continue;
      twin.cloudVersion = version;
      if (value === undefined || value === twin.expected) continue;
      twin.expected = value;
      this.#options.desired({ node: this.name, device: id, property, value });
    }
  }
}

function nodeObject(name: string): Record<string, unknown> {
  return {
    kind: 'Node',
    apiVersion: 'v1',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'arm64',
        'node-role.kubernetes.io/edge': '',
        'node-role.kubernetes.io/agent': '',
      },
    },
    spec: {},
    status: {
      conditions: [{ type: 'Ready', status: 'True', reason: 'EdgeReady' }],
      addresses: [{ type: 'Hostname', address: name }],
      capacity: { cpu: '4', memory: '1Gi' },
      nodeInfo: { kubeletVersion: 'v1.32.0-kubeedge-v1.9.1-hivelet-fleet', operatingSystem: 'linux', architecture: 'arm64' },
    },
  };
}
