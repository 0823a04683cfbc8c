/** Owns what security costs: variants with and without it under the same load, in turns of a second, so that a busy machine slows all alike. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type MqttClient } from 'mqtt';
import { systemClock } from '#beehive/clock.ts';
import { devices, type KubeApi } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { startThermostat } from '#mappers/modbus/simulate.ts';
import { createTestAuthority } from '#test/support/certificates.ts';
import { freePort } from '#test/support/ports.ts';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { cpuMsOf, launcher, median, memoryOf, print, startEdge, type BenchEdge } from './programs.ts';
import { startWorld } from './world.ts';

const DEVICES = 100;
const OUTSTANDING = 64;
const TURN_MS = 1000;
const PAUSE_MS = 500;
const PATCH_PAUSE_MS = 30;
const NO_LIMIT = 'modules.eventBus.limits.publishRate=1000000';

interface Turn {
  /** Answered updates in a second. */
  rate: number;
  /** Of the edge for each, microseconds. */
  cpuUs: number;
}

interface Variant {
  name: string;
  pid: number;
  client: MqttClient;
  turns: Turn[];
}

/** Twin updates: without accounts, with one, with one over TLS, and with the link up (mutual TLS), in turns. */
export async function brokerSecurity(rounds: number): Promise<void> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const plain = await startEdge({ devices: DEVICES, sets: ['modules.edgeHub.enable=false'] });
    stops.push(() => plain.stop());
    const guarded = await startGuarded(stops);
    const thermostat = await startThermostat({ clock: systemClock });
    const world = await startWorld({ thermostatPort: thermostat.port, devices: DEVICES });
    stops.push(
      () => thermostat.close(),
      () => world.stop(),
    );
    const variants: Variant[] = [
      { name: 'no accounts, no link', pid: plain.pid, client: await dial(`mqtt://127.0.0.1:${plain.mqttPort}`), turns: [] },
      { name: 'with an account', pid: guarded.edge.pid, client: await dial(guarded.plainUrl, guarded.login), turns: [] },
      { name: 'with an account over TLS', pid: guarded.edge.pid, client: await dial(guarded.tlsUrl, guarded.login), turns: [] },
      { name: 'link up, mutual TLS', pid: world.edge.pid, client: await dial(`mqtt://127.0.0.1:${world.edge.mqttPort}`), turns: [] },
    ];
    for (const { client } of variants) {
      stops.push(() => client.endAsync(true));
      await client.subscribeAsync('$hw/events/device/+/twin/update/result');
    }
    for (let round = 0; round <= rounds; round++) {
      for (const variant of rotated(variants, round)) {
        const turn = await takeTurn(variant);
        // What the turn left behind for the cloud is not the next one's.
        await systemClock.sleep(PAUSE_MS);
        // The first is a warm-up.
        if (round > 0) variant.turns.push(turn);
      }
    }
    report(variants);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Nobody is always the first, or always after the same one. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}

interface Guarded {
  edge: BenchEdge;
  plainUrl: string;
  tlsUrl: string;
  login: { username: string; password: string; ca: string };
}

async function startGuarded(stops: (() => Promise<unknown>)[]): Promise<Guarded> {
  const dataDir = tempDir();
  const authority = createTestAuthority();
  const server = authority.issue('board', { server: true });
  mkdirSync(join(dataDir, 'edge/pki'), { recursive: true });
  copyFileSync(server.certFile, join(dataDir, 'edge/pki/mqtt.crt'));
  copyFileSync(server.keyFile, join(dataDir, 'edge/pki/mqtt.key'));
  const added = await runProcess({
    command: launcher,
    args: ['mqtt', 'account', 'add', 'bench', '--app', '--mapper-of', '+', '--subscribe', '$hw/events/#', '--data-dir', dataDir],
  });
  const password = /: (\S+)$/m.exec(added.stdout)?.[1];
  if (password === undefined) throw new Error(`no account: ${added.stdout}${added.stderr}`);
  const tlsPort = await freePort();
  const edge = await startEdge({
    dataDir,
    devices: DEVICES,
    sets: [
      'modules.edgeHub.enable=false',
      'modules.eventBus.requireAccounts=true',
      `modules.eventBus.listeners=mqtts://127.0.0.1:${tlsPort}`,
      NO_LIMIT,
    ],
    anyConnack: true,
  });
  stops.push(() => edge.stop());
  const login = { username: 'bench', password, ca: authority.cert };
  return { edge, plainUrl: `mqtt://127.0.0.1:${edge.mqttPort}`, tlsUrl: `mqtts://127.0.0.1:${tlsPort}`, login };
}

async function dial(url: string, login: { username?: string; password?: string; ca?: string } = {}): Promise<MqttClient> {
  const client = connect(url, { protocolVersion: 4, reconnectPeriod: 0, ...login });
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('error', reject);
  });
  const stream = client.stream as { setNoDelay?: (on: boolean) => void };
  stream.setNoDelay?.(true);
  return client;
}

let updates = 0;

async function takeTurn({ client, pid }: Variant): Promise<Turn> {
  let answered = 0;
  let running = true;
  const send = (): void => {
    updates += 1;
    const message = { event_id: '', twin: { temperature: { actual: { value: String(updates) }, metadata: { type: 'float' } } } };
    client.publish(`$hw/events/device/bench-dev-${(updates % DEVICES) + 1}/twin/update`, JSON.stringify(message));
  };
  let left = OUTSTANDING;
  const idle = new Promise<void>((resolve) => {
    client.on('message', () => {
      answered += 1;
      if (running) send();
      else if (--left === 0) resolve();
    });
  });
  const before = { cpuMs: cpuMsOf(pid), atMs: performance.now() };
  for (let index = 0; index < OUTSTANDING; index++) send();
  await systemClock.sleep(TURN_MS);
  running = false;
  await idle;
  client.removeAllListeners('message');
  return { rate: answered / ((performance.now() - before.atMs) / 1000), cpuUs: ((cpuMsOf(pid) - before.cpuMs) * 1000) / answered };
}

function report(variants: readonly Variant[]): void {
  const [base] = variants;
  for (const { name, turns, pid } of variants) {
    // Each turn beside that of the first variant in the same round.
    const beside = (of: (turn: Turn) => number): number =>
      Math.round(median(turns.map((turn, round) => of(turn) / of(base?.turns[round] ?? turn))) * 100) / 100;
    print({
      what: 'cost of security: twin updates, 100 devices, 64 outstanding',
      variant: name,
      turns: turns.length,
      msgs_per_s: Math.round(median(turns.map(({ rate }) => rate))),
      cpu_us_each: Math.round(median(turns.map(({ cpuUs }) => cpuUs))),
      rate_ratio: beside(({ rate }) => rate),
      cpu_ratio: beside(({ cpuUs }) => cpuUs),
      rss_mib: memoryOf(pid).rss_mib,
    });
  }
}

/** PATCH of a Device by the admin, whom no rule is asked for, and by a user with the role device-operator, in turns. */
export async function apiSecurity(rounds: number): Promise<void> {
  const thermostat = await startThermostat({ clock: systemClock });
  const world = await startWorld({ thermostatPort: thermostat.port });
  const file = join(tempDir(), 'operator.kubeconfig');
  const made = await runProcess({
    command: launcher,
    args: ['user', 'operator', '--role', 'device-operator', '--out', file, '--kubeconfig', join(world.dataDir, 'kubeconfig')],
  });
  if (made.code !== 0) throw new Error(made.stderr);
  const operator = new KubeClient({ access: readKubeconfig(file), clock: systemClock });
  try {
    const users: { name: string; api: KubeApi; times: number[] }[] = [
      { name: 'admin', api: world.api, times: [] },
      { name: 'device-operator', api: operator, times: [] },
    ];
    for (let round = 0; round <= rounds; round++) {
      for (const { api, times } of rotated(users, round)) {
        await systemClock.sleep(PATCH_PAUSE_MS);
        const from = performance.now();
        const body = { metadata: { annotations: { round: String(round) } } };
        await api.patch(devices, { namespace: 'default', name: 'thermostat' }, { type: 'merge', body });
        if (round > 0) times.push(performance.now() - from);
      }
    }
    const [admin] = users;
    for (const { name, times } of users) {
      const ratio = median(times.map((ms, round) => ms / (admin?.times[round] ?? ms)));
      print({
        what: 'cost of security: PATCH of a Device',
        user: name,
        turns: times.length,
        median_ms: Math.round(median(times) * 100) / 100,
        ratio: Math.round(ratio * 100) / 100,
      });
    }
  } finally {
    operator.close();
    await world.stop();
    await thermostat.close();
  }
}
