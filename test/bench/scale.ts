/** Owns the figures of the embedded cloud at scale: a thousand simulated nodes on real websockets, long lists, many watches, chattering devices. */
import { join } from 'node:path';
import { systemClock } from '#beehive/clock.ts';
import { deviceModels, devices, type JsonPatchOperation } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { FLEET_PROPERTY, createFleet, deviceName, fleetDevice, fleetModel, type Fleet, type FleetOptions } from '#test/simulators/fleet.ts';
import { freePorts } from '#test/support/ports.ts';
import { spawnProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { cpuMsOf, launcher, median, memoryOf, print } from './programs.ts';

interface Cloud {
  pid: number;
  hubPort: number;
  dataDir: string;
  readyMs: number;
  api: KubeClient;
  stop(): Promise<void>;
}

const pause = (ms: number): Promise<void> => systemClock.sleep(ms);
const rounded = (value: number): number => Math.round(value * 10) / 10;

/** Exec to ready, and memory of a cloud that nobody talks to. */
export async function cloudIdle(runs: number, seconds: number): Promise<void> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const cloud = await startCloud();
    times.push(cloud.readyMs);
    if (run === runs - 1) {
      await pause(seconds * 1000);
      print({ what: 'cloud alone, idle', after_s: seconds, ...memoryOf(cloud.pid) });
    }
    await cloud.stop();
  }
  print({ what: 'exec to cloudcore.ready', runs, median_ms: Math.round(median(times)), max_ms: Math.round(Math.max(...times)) });
}

/** `nodes` × 10 devices, a report a second from each node. */
export async function scale(nodes: number, seconds: number): Promise<void> {
  const cloud = await startCloud();
  const changes = new DesiredTimes();
  let fleet: Fleet | undefined;
  try {
    const idle = memoryOf(cloud.pid);
    await createDevices(cloud, nodes, 10);
    await listAll(cloud, nodes * 10);
    const stored = memoryOf(cloud.pid);
    fleet = await connectFleet({ dataDir: cloud.dataDir, nodes, ports: [cloud.hubPort], desired: changes.seen }, 10);
    await pause(5000);
    const linked = memoryOf(cloud.pid);
    const stop = reportEverySecond(fleet);
    await pause(5000);
    const before = await usage(cloud);
    await pause(seconds * 1000);
    const after = await usage(cloud);
    print({
      what: `${nodes} nodes x 10 devices, a report a second from each node`,
      seconds,
      cpu_percent: rounded(((after.cpuMs - before.cpuMs) / (after.atMs - before.atMs)) * 100),
      api_writes_per_s: rounded(((after.revision - before.revision) / (after.atMs - before.atMs)) * 1000),
      rss_mib: { idle: idle.rss_mib, with_devices: stored.rss_mib, linked: linked.rss_mib, loaded: memoryOf(cloud.pid).rss_mib },
      kib_per_linked_node: rounded(((linked.rss_mib - stored.rss_mib) * 1024) / nodes),
      faults: fleet.faults.length,
    });
    await desiredToNode(cloud, changes, { nodes, count: 300 });
    stop();
    await fanOut(cloud, { watchers: 100, changes: 50, nodes });
  } finally {
    fleet?.stop();
    await cloud.stop();
  }
}

/** 30 devices that change three times a second: what that costs the API. */
export async function chatter(seconds: number): Promise<void> {
  const cloud = await startCloud();
  let fleet: Fleet | undefined;
  try {
    await createDevices(cloud, 3, 10);
    fleet = await connectFleet({ dataDir: cloud.dataDir, nodes: 3, ports: [cloud.hubPort] }, 10);
    let value = 0;
    const timer = setInterval(() => {
      value += 1;
      for (const node of fleet?.nodes ?? []) for (const device of node.devices.keys()) node.report(device, FLEET_PROPERTY, String(value));
    }, 333);
    await pause(3000);
    const before = await usage(cloud);
    await pause(seconds * 1000);
    const after = await usage(cloud);
    clearInterval(timer);
    print({
      what: '30 devices x 3 updates/s',
      seconds,
      api_writes_per_s: rounded(((after.revision - before.revision) / (after.atMs - before.atMs)) * 1000),
      cpu_percent: rounded(((after.cpuMs - before.cpuMs) / (after.atMs - before.atMs)) * 100),
    });
  } finally {
    fleet?.stop();
    await cloud.stop();
  }
}

/** When the nodes had which desired value. */
class DesiredTimes {
  readonly #waiting = new Map<string, (at: number) => void>();

  readonly seen: NonNullable<FleetOptions['desired']> = ({ device, value }) => {
    this.#waiting.get(`${device} ${value}`)?.(performance.now());
  };

  next(device: string, value: string): Promise<number> {
    return new Promise((resolve) => this.#waiting.set(`${device} ${value}`, resolve));
  }
}

async function startCloud(): Promise<Cloud> {
  const dataDir = tempDir();
  const [apiPort = 0, hubPort = 0, httpsPort = 0] = await freePorts(3);
  const sets = [
    `modules.apiServer.listen=127.0.0.1:${String(apiPort)}`,
    `modules.cloudHub.websocket.port=${String(hubPort)}`,
    `modules.cloudHub.https.port=${String(httpsPort)}`,
  ];
  const startedMs = performance.now();
  const child = spawnProcess({ command: launcher, args: ['cloud', '--data-dir', dataDir, ...sets.flatMap((set) => ['--set', set])] });
  const ready = await child.line(/cloudcore\.ready/, { deadlineMs: 30_000 });
  const readyMs = performance.now() - startedMs;
  const api = new KubeClient({ access: readKubeconfig(join(dataDir, 'kubeconfig')), clock: systemClock });
  const stop = async (): Promise<void> => {
    api.close();
    await child.stop();
  };
  return { pid: Number(/"pid":(\d+)/.exec(ready)?.[1] ?? child.pid), hubPort, dataDir, readyMs, api, stop };
}

async function createDevices({ api }: Cloud, nodes: number, perNode: number): Promise<void> {
  const startedMs = performance.now();
  await api.create(deviceModels, fleetModel());
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < nodes * perNode) {
      const at = next++;
      await api.create(devices, fleetDevice(Math.floor(at / perNode), at % perNode));
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  const ms = performance.now() - startedMs;
  print({ what: 'devices created over HTTPS, 16 at a time', devices: nodes * perNode, per_s: Math.round((nodes * perNode) / (ms / 1000)) });
}

async function listAll({ api, pid }: Cloud, expected: number): Promise<void> {
  const times: number[] = [];
  let items = 0;
  for (let run = 0; run < 5; run++) {
    const from = performance.now();
    items = (await api.list(devices)).items.length;
    times.push(performance.now() - from);
  }
  if (items !== expected) throw new Error(`the list has ${items} devices instead of ${expected}`);
  print({
    what: 'list of all devices, with the client reading it',
    devices: items,
    median_ms: Math.round(median(times)),
    ...memoryOf(pid),
  });
}

/** Fifty new links a second; resolves when every node has its devices. */
async function connectFleet(options: FleetOptions, devicesPerNode: number): Promise<Fleet> {
  const fleet = await createFleet(options);
  const startedMs = performance.now();
  for (const node of fleet.nodes) {
    node.connect();
    await pause(20);
  }
  const complete = (): boolean => fleet.nodes.every((node) => node.devices.size === devicesPerNode);
  await until(complete, { what: 'devices at all nodes', deadlineMs: 120_000, everyMs: 50 });
  print({
    what: 'nodes linked, with all devices told',
    nodes: fleet.nodes.length,
    seconds: rounded((performance.now() - startedMs) / 1000),
  });
  return fleet;
}

/** Each node tells one of its devices a second, in turn, spread over the second. */
function reportEverySecond(fleet: Fleet): () => void {
  const slots = 50;
  let round = 0;
  const timer = setInterval(() => {
    const slot = round % slots;
    const turn = Math.floor(round / slots);
    for (let index = slot; index < fleet.nodes.length; index += slots) {
      const node = fleet.nodes[index];
      node?.report(deviceName(index, turn % 10), FLEET_PROPERTY, String(turn + 1));
    }
    round += 1;
  }, 1000 / slots);
  return () => clearInterval(timer);
}

async function desiredToNode({ api }: Cloud, changes: DesiredTimes, { nodes, count }: { nodes: number; count: number }): Promise<void> {
  const times: number[] = [];
  for (let change = 0; change < count; change++) {
    const device = deviceName((change * 37) % nodes, change % 10);
    const value = String(1000 + change);
    const seen = changes.next(device, value);
    const from = performance.now();
    await api.patch(devices, { namespace: 'default', name: device }, { type: 'json', operations: setDesired(value) });
    times.push((await seen) - from);
    await pause(5);
  }
  times.sort((a, b) => a - b);
  const q = (p: number): number => rounded(times[Math.min(times.length - 1, Math.ceil(p * times.length) - 1)] ?? NaN);
  print({ what: 'PATCH sent -> desired at the node, under that load', changes: count, p50_ms: q(0.5), p99_ms: q(0.99), max_ms: q(1) });
}

function setDesired(value: string): JsonPatchOperation[] {
  return [
    { op: 'test', path: '/status/twins/0/propertyName', value: FLEET_PROPERTY },
    { op: 'add', path: '/status/twins/0/desired', value: { value, metadata: { type: 'int' } } },
  ];
}

/** From sending a change until the last of many watchers has it. */
async function fanOut({ api, pid }: Cloud, options: { watchers: number; changes: number; nodes: number }): Promise<void> {
  const { watchers, changes, nodes } = options;
  const abort = new AbortController();
  const seen = new Map<string, { left: number; done: () => void }>();
  const { resourceVersion } = await api.list(devices, { limit: 1 });
  const watch = async (): Promise<void> => {
    for await (const event of api.watch(devices, { resourceVersion, signal: abort.signal })) {
      if (event.type === 'bookmark') continue;
      const waiting = seen.get(event.object.metadata.annotations?.['fan-out'] ?? '');
      if (waiting !== undefined && --waiting.left === 0) waiting.done();
    }
  };
  const running = Array.from({ length: watchers }, () => watch().catch(() => undefined));
  const times: number[] = [];
  for (let change = 0; change < changes; change++) {
    const all = new Promise<void>((done) => seen.set(String(change), { left: watchers, done }));
    const from = performance.now();
    const name = deviceName(change % nodes, change % 10);
    const body = { metadata: { annotations: { 'fan-out': String(change) } } };
    await api.patch(devices, { namespace: 'default', name }, { type: 'merge', body });
    await all;
    times.push(performance.now() - from);
  }
  print({ what: 'PATCH sent -> seen by the last watcher', watchers, changes, median_ms: rounded(median(times)), ...memoryOf(pid) });
  abort.abort();
  await Promise.all(running);
}

interface Usage {
  atMs: number;
  cpuMs: number;
  revision: number;
}

/** The revision counts the writes of everybody, as every write takes one. */
async function usage({ api, pid }: Cloud): Promise<Usage> {
  const { resourceVersion } = await api.list(deviceModels, { limit: 1 });
  return { atMs: performance.now(), cpuMs: cpuMsOf(pid), revision: Number(resourceVersion) };
}
