// timeout: 600s
/** Two cloudcores on one API, fifty nodes between them, and one or the other killed or frozen again and again. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices, nodes, type KubeObject } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { Reflector } from '#cloud/store/kubeconfig/reflector.ts';
import { FLEET_PROPERTY, createFleet, deviceName, fleetDevice, fleetModel, nodeName, type Fleet } from '#test/simulators/fleet.ts';
import type { FleetNode } from '#test/simulators/fleet-node.ts';
import { freePorts } from '#test/support/ports.ts';
import { spawnProcess, type TestProcess } from '#test/support/processes.ts';
import { launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const NODES = 50;
const DEVICES = 2;
const TRIAL_MS = process.env['SOAK'] === '1' ? 300_000 : 45_000;
const CHANGE_MS = 50;
const WANDER_MS = 300;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** mulberry32. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Replica {
  readonly name: string;
  readonly hubPort: number;
  process: TestProcess;
  start(): Promise<void>;
}

interface World {
  readonly api: KubeClient;
  readonly apiProcess: TestProcess;
  readonly replicas: readonly [Replica, Replica];
  readonly dataDir: string;
}

/** One `hivelet api`, and two clouds with data directories of their own and the same authority. */
async function startWorld(): Promise<World> {
  const folder = tempDir();
  const [apiPort = 0, ...ports] = await freePorts(5);
  const dataDir = join(folder, 'api');
  await initCloud({ dataDir, advertise: [], clock: systemClock });
  const apiProcess = spawnProcess({
    command: launcher,
    args: ['api', '--data-dir', dataDir, '--log-format', 'json', '--set', `modules.apiServer.listen=127.0.0.1:${String(apiPort)}`],
  });
  await apiProcess.line('api.ready', { deadlineMs: 90_000 });
  const replica = async (name: string, [hub = 0, https = 0]: number[]): Promise<Replica> => {
    const own = join(folder, name);
    mkdirSync(join(own, 'pki'), { recursive: true });
    for (const file of ['ca.crt', 'ca.key']) copyFileSync(join(dataDir, 'pki', file), join(own, 'pki', file));
    const sets = [
      `kubeAPIConfig.kubeConfig=${join(dataDir, 'kubeconfig')}`,
      `modules.cloudHub.websocket.port=${String(hub)}`,
      `modules.cloudHub.https.port=${String(https)}`,
    ];
    const start = async (): Promise<TestProcess> => {
      const args = ['cloud', '--data-dir', own, '--log-format', 'json', ...sets.flatMap((set) => ['--set', set])];
      const process = spawnProcess({ command: launcher, args });
      await process.line('cloudcore.ready', { deadlineMs: 90_000 });
      return process;
    };
    const made: Replica = { name, hubPort: hub, process: await start(), start: async () => void (made.process = await start()) };
    return made;
  };
  const replicas = [await replica('a', ports.slice(0, 2)), await replica('b', ports.slice(2))] as const;
  const api = new KubeClient({ access: readKubeconfig(join(dataDir, 'kubeconfig')), clock: systemClock });
  return { api, apiProcess, replicas, dataDir };
}

/** Sees every state of the objects that the API tells, and whether one of them went back. */
class Witness {
  readonly faults: string[] = [];
  readonly #reported = new Map<string, number>();
  readonly #reflectors: Reflector[];
  /** From then on every node has to be Ready. */
  strict = false;

  constructor(api: KubeClient) {
    const common = { api, clock: systemClock, log: silentLogger() };
    this.#reflectors = [
      new Reflector({ ...common, type: devices, onUpsert: (_previous, device) => this.#device(device) }),
      new Reflector({ ...common, type: nodes, onUpsert: (_previous, node) => this.#node(node) }),
    ];
    for (const reflector of this.#reflectors) reflector.start();
  }

  get reported(): ReadonlyMap<string, number> {
    return this.#reported;
  }

  ready(): number {
    return [...(this.#reflectors[1]?.objects.values() ?? [])].filter((node) => readyOf(node) === 'True').length;
  }

  async stop(): Promise<void> {
    for (const reflector of this.#reflectors) await reflector.stop();
  }

  #device(device: KubeObject): void {
    const { name } = device.metadata;
    const twin = (device['status'] as { twins?: { reported?: { value?: string } }[] } | undefined)?.twins?.[0];
    const value = Number(twin?.reported?.value ?? 'NaN');
    const before = this.#reported.get(name) ?? -1;
    if (value < before) this.faults.push(`${name} reported ${String(value)} after ${String(before)}`);
    if (value >= before) this.#reported.set(name, value);
    else if (Number.isNaN(value) && before >= 0) this.faults.push(`${name} lost what it had reported`);
  }

  #node(node: KubeObject): void {
    const ready = readyOf(node);
    if (this.strict && ready !== 'True') this.faults.push(`node ${node.metadata.name} is ${String(ready)} at ${new Date().toISOString()}`);
  }
}

function readyOf(node: KubeObject): string | undefined {
  const status = node['status'] as { conditions?: { type: string; status: string }[] } | undefined;
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status;
}

/** Kills or freezes one replica and brings it back, once. */
async function disturb({ replicas }: World, fleet: Fleet, draw: () => number): Promise<string> {
  const servedBy = ({ hubPort }: Replica): FleetNode[] => fleet.nodes.filter((node) => node.connected && node.port === hubPort);
  const busier = servedBy(replicas[0]).length > servedBy(replicas[1]).length ? 0 : 1;
  const victim = replicas[draw() < 0.75 ? busier : 1 - busier] ?? replicas[0];
  const frozen = draw() < 0.4;
  const served = servedBy(victim);
  if (!frozen) {
    victim.process.kill();
    await pause(500 + draw() * 2500);
    await victim.start();
    return `${victim.name} killed with ${String(served.length)} nodes`;
  }
  // As a machine that hangs: its sockets stay open, and it goes on where it was, with all that waits in them.
  victim.process.signal('SIGSTOP');
  const ms = 3000 + draw() * 15_000;
  await pause(500);
  for (const node of served) node.leave();
  await pause(ms);
  victim.process.signal('SIGCONT');
  return `${victim.name} frozen for ${String(Math.round(ms))} ms with ${String(served.length)} nodes`;
}

/** Nodes wander between the two of their own accord, half of them without a good-bye: their old link stays open. */
async function wander(fleet: Fleet, draw: () => number, running: () => boolean): Promise<void> {
  while (running()) {
    await pause(WANDER_MS);
    const node = fleet.nodes[Math.floor(draw() * fleet.nodes.length)];
    if (draw() < 0.5) node?.leave();
    else node?.cut();
  }
}

/** A desired value now and then, each higher than the one before; what a node is told its device has reached a moment later. */
class Changes {
  readonly wanted = new Map<string, number>();
  readonly #api: KubeClient;
  #last = 0;
  #running = true;
  failed = 0;
  readonly done: Promise<void>;

  constructor(api: KubeClient, draw: () => number) {
    this.#api = api;
    this.done = this.#run(draw);
  }

  stop(): Promise<void> {
    this.#running = false;
    return this.done;
  }

  async #run(draw: () => number): Promise<void> {
    while (this.#running) {
      const device = deviceName(Math.floor(draw() * NODES), Math.floor(draw() * DEVICES));
      await this.#set(device, ++this.#last);
      await pause(CHANGE_MS);
    }
  }

  async #set(name: string, value: number): Promise<void> {
    try {
      await this.#api.patch(
        devices,
        { namespace: 'default', name },
        {
          type: 'json',
          operations: [
            { op: 'test', path: '/status/twins/0/propertyName', value: FLEET_PROPERTY },
            { op: 'add', path: '/status/twins/0/desired/value', value: String(value) },
          ],
        },
      );
      this.wanted.set(name, value);
    } catch {
      this.failed += 1;
    }
  }
}

test('every desired change arrives, nothing goes back, and no node is called NotReady', async () => {
  const seed = Number(process.env['SEED'] ?? 7);
  const draw = random(seed);
  const world = await startWorld();
  const { api, replicas } = world;
  await api.create(deviceModels, fleetModel());
  for (let node = 0; node < NODES; node++) {
    for (let device = 0; device < DEVICES; device++) await api.create(devices, fleetDevice(node, device));
  }
  const fleet: Fleet = await createFleet({
    dataDir: world.dataDir,
    nodes: NODES,
    ports: replicas.map(({ hubPort }) => hubPort),
    desired: ({ node, device, property }) => {
      // What it is to be by then: a node that is told twice in a moment goes to the later value.
      setTimeout(
        () => {
          const served = fleet.nodes.find(({ name }) => name === node);
          const wanted = served?.devices.get(device)?.twins.get(property)?.expected;
          if (wanted !== undefined) served?.report(device, property, wanted);
        },
        5 + draw() * 50,
      );
    },
  });
  const witness = new Witness(api);
  const story: string[] = [];
  try {
    for (const node of fleet.nodes) node.connect();
    await until(() => witness.ready() === NODES, { what: 'all nodes to be Ready', deadlineMs: 120_000, everyMs: 50 });
    witness.strict = true;
    const changes = new Changes(api, random(seed + 1));
    const end = performance.now() + TRIAL_MS;
    const wandering = wander(fleet, random(seed + 2), () => performance.now() < end);
    while (performance.now() < end) {
      await pause(draw() * 2000);
      story.push(await disturb(world, fleet, draw));
    }
    await wandering;
    await changes.stop();
    const twin = (name: string): string | undefined => {
      const node = fleet.nodes.find((each) => name.startsWith(`${each.name}-`));
      return node?.devices.get(name)?.twins.get(FLEET_PROPERTY)?.expected;
    };
    const late = (): string[] =>
      [...changes.wanted]
        .filter(([name, value]) => twin(name) !== String(value) || witness.reported.get(name) !== value)
        .map(([name]) => name);
    await until(() => late().length === 0, { what: 'every change to have arrived and come back', deadlineMs: 120_000, everyMs: 100 }).catch(
      (error: unknown) => {
        const [name = ''] = late();
        const told = `${name}: wanted ${String(changes.wanted.get(name))}, at the edge ${String(twin(name))}, reported ${String(witness.reported.get(name))}`;
        throw new Error(`${String(late().length)} of ${String(changes.wanted.size)} are late, ${told}\n${story.join('\n')}`, {
          cause: error,
        });
      },
    );
    console.log(`${String(changes.wanted.size)} devices changed; seed ${String(seed)}: ${story.join('; ')}`);
    assert.equal([...witness.faults, ...fleet.faults], [], story.join('\n'));
    assert.is(changes.failed, 0, 'the API took every change');
    assert.is(witness.ready(), NODES);
    // One that was cut at the very end may still be dialling.
    const away = (): string[] => fleet.nodes.filter(({ connected }) => !connected).map(({ name }) => name);
    await until(() => away().length === 0, { what: 'every node to be linked again', deadlineMs: 60_000 });
    assert.is(nodeName(0), fleet.nodes[0]?.name);
  } finally {
    await witness.stop();
    fleet.stop();
    api.close();
    for (const { process } of [...replicas, { process: world.apiProcess }]) {
      process.signal('SIGCONT');
      process.kill();
    }
  }
});

test.run();
