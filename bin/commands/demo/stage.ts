/** Owns the processes of the demo: simulated devices, the cloud and the edge, each with its files in the data directory. */
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import { formatText } from '#beehive/log.ts';
import { KeptChild, LAUNCHER, stopAll, type LogEvent } from '../children.ts';
import { initForOneMachine } from '../parts.ts';
import type { DemoPorts } from './ports.ts';

/** The node that the samples are bound to. */
export const DEMO_NODE = 'demo-board';

export interface StageOptions {
  dataDir: string;
  ports: DemoPorts;
  clock: Clock;
  signal: AbortSignal;
  /** Every event of a child, for the trace. */
  onEvent: (child: string, event: LogEvent) => void;
  /** What a person should see at once. */
  onTrouble: (line: string) => void;
}

const READY_MS = 30_000;

export class Stage {
  readonly logs: string;
  /** Whether a SensorTag is on it: without noble nobody could talk with it. */
  readonly hasTag = hasNoble();
  readonly #options: StageOptions;
  readonly #children: KeptChild[] = [];
  readonly #files: number[] = [];

  constructor(options: StageOptions) {
    this.#options = options;
    this.logs = path.join(options.dataDir, 'logs');
  }

  /** Resolves when all are ready; `told` hears of each. Throws with what the failing one said. */
  async start(told: (child: string, event: LogEvent) => void): Promise<void> {
    const { dataDir, clock } = this.#options;
    mkdirSync(this.logs, { recursive: true, mode: 0o700 });
    writeConfiguration(this.#options);
    rmSync(hciSocket(dataDir), { force: true });
    const edge = { file: edgeFile(dataDir), sets: [] };
    await initForOneMachine({ dataDir, edge, clock });
    this.#add('thermostat', ['simulate', 'modbus', '--port', String(this.#options.ports.modbus)]);
    this.#add('dht11', ['simulate', 'dht11', '--root', sysfsRoot(dataDir)]);
    if (this.hasTag) this.#add('sensortag', ['simulate', 'sensortag', '--hci', hciSocket(dataDir)]);
    this.#add('cloud', ['cloud', '--data-dir', dataDir, '--log-level', 'debug', '--log-format', 'json']);
    this.#add('edge', ['edge', '--data-dir', dataDir, '--log-level', 'debug', '--log-format', 'json']);
    process.once('exit', this.#kill);
    for (const child of this.#children) child.start();
    await this.#within(Promise.all(this.#children.map(async (child) => told(child.name, await child.ready))));
  }

  async stop(): Promise<void> {
    await stopAll(this.#children);
    process.off('exit', this.#kill);
    for (const file of this.#files.splice(0)) closeSync(file);
  }

  readonly #kill = (): void => this.#children.forEach((child) => child.kill());

  async #within(all: Promise<unknown>): Promise<void> {
    const { clock, signal } = this.#options;
    const over = new AbortController();
    const late = clock.sleep(READY_MS, AbortSignal.any([over.signal, signal])).then(() => {
      throw new HiveletError('BUS_TIMEOUT', `not everything was ready after ${READY_MS / 1000} s; the logs are in ${this.logs}`);
    });
    try {
      await Promise.race([all, late]);
    } finally {
      over.abort(new HiveletError('STOPPED'));
      await late.catch(() => undefined);
    }
  }

  #add(name: string, args: readonly string[]): void {
    const { clock, onEvent, onTrouble } = this.#options;
    const file = openSync(path.join(this.logs, `${name}.log`), 'w', 0o600);
    this.#files.push(file);
    const line = (text: string, log: LogEvent | undefined): void => {
      writeSync(file, `${text}\n`);
      if (log !== undefined) onEvent(name, log);
      if (log === undefined || log.level === 'error') onTrouble(`${name}: ${log === undefined ? text : shortText(log)}`);
    };
    this.#children.push(new KeptChild({ name, command: LAUNCHER, args, env: { NODE_OPTIONS: '' }, clock, line }));
  }
}

function shortText({ time, event, fields }: LogEvent): string {
  return formatText({ time, level: 'error', event, fields: { ...fields } });
}

function edgeFile(dataDir: string): string {
  return path.join(dataDir, 'edge', 'edgecore.yaml');
}

/** The Bluetooth controller of the SensorTag. The path of a socket is short: a deep data directory has it elsewhere. */
function hciSocket(dataDir: string): string {
  const near = path.join(dataDir, 'hci0');
  return Buffer.byteLength(near) <= LONGEST_SOCKET ? near : path.join(os.tmpdir(), `hivelet-demo-${process.pid}`, 'hci0');
}

const LONGEST_SOCKET = 100;

/** noble is an optional package: where it could not be built it is not there. */
function hasNoble(): boolean {
  try {
    createRequire(path.join(import.meta.dirname, 'stage.ts')).resolve('@abandonware/noble/with-custom-binding.js');
    return true;
  } catch {
    return false;
  }
}

function sysfsRoot(dataDir: string): string {
  return path.join(dataDir, 'simulated-sys');
}

/** Where both programs, and the shell commands, look for their settings. All listeners are on loopback. */
function writeConfiguration({ dataDir, ports }: StageOptions): void {
  const write = (file: string, content: Record<string, unknown>): void => {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `# Written by \`make demo\`.\n${stringify(content)}`, { mode: 0o600 });
  };
  write(edgeFile(dataDir), {
    apiVersion: 'edgecore.config.hivelet.dev/v1alpha1',
    kind: 'EdgeCore',
    modules: {
      edged: { hostnameOverride: DEMO_NODE },
      edgeHub: { websocket: { server: `127.0.0.1:${ports.hub}` } },
      eventBus: { mqttServerInternal: `tcp://127.0.0.1:${ports.mqtt}` },
      mapperHost: { sysfsRoot: sysfsRoot(dataDir), bluetooth: { hci: hciSocket(dataDir) } },
    },
  });
  const listen = (port: number): { address: string; port: number } => ({ address: '127.0.0.1', port });
  write(path.join(dataDir, 'cloud', 'cloudcore.yaml'), {
    apiVersion: 'cloudcore.config.hivelet.dev/v1alpha1',
    kind: 'CloudCore',
    modules: {
      apiServer: { listen: `127.0.0.1:${ports.api}` },
      cloudHub: { websocket: listen(ports.hub), https: listen(ports.https) },
    },
  });
}
