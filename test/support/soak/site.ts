/** Owns an installation that is to be tormented: cloud and edge as processes, a cable between them, and what each of them holds in memory. */
import { readFileSync, readdirSync } from 'node:fs';
import { systemClock } from '#beehive/clock.ts';
import { issueNodeCertificate } from '#cloud/pki/init.ts';
import type { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { TcpRelay } from '#mappers/contract-test/relay.ts';
import { spawnProcess, type TestProcess } from '../processes.ts';
import { createSite, launcher, type Site } from '../programs.ts';
import { until } from '../until.ts';

export const NODE = 'edge-1';
/** A start, on a busy machine. */
const START_MS = 90_000;

export class SoakSite {
  readonly #site: Site;
  readonly #sets: readonly string[];
  /** Between the edge and the cloud. */
  readonly cable: TcpRelay;
  #cloud: TestProcess | undefined;
  #edge: TestProcess | undefined;
  /** Log lines of level error, of processes that are gone as well. */
  readonly #errors: string[] = [];

  private constructor(site: Site, sets: readonly string[]) {
    this.#site = site;
    this.#sets = sets;
    this.cable = new TcpRelay({ port: site.ports.hub });
  }

  /** Cloud and edge run. `sets`: settings of the edge. */
  static async start(dataDir: string, sets: readonly string[]): Promise<SoakSite> {
    const site = new SoakSite(await createSite(dataDir, NODE), sets);
    await site.cable.restore();
    await site.startCloud();
    await issueNodeCertificate({ dataDir, node: NODE, clock: systemClock });
    await site.startEdge();
    return site;
  }

  get mqttPort(): number {
    return this.#site.ports.mqtt;
  }

  get edgePid(): number {
    return this.#edge?.pid ?? 0;
  }

  get cloudPid(): number {
    return this.#cloud?.pid ?? 0;
  }

  kube(): KubeClient {
    return this.#site.kube();
  }

  async startCloud(): Promise<void> {
    this.#cloud = await this.#site.cloud();
  }

  async startEdge(): Promise<void> {
    const sets = [
      `modules.edged.hostnameOverride=${NODE}`,
      `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${String(this.mqttPort)}`,
      `modules.edgeHub.websocket.server=127.0.0.1:${String(this.cable.port)}`,
      ...this.#sets,
    ];
    const args = ['edge', '--data-dir', this.#site.dataDir, '--log-format', 'json', ...sets.flatMap((set) => ['--set', set])];
    this.#edge = spawnProcess({ command: launcher, args });
    await this.#edge.line(/edgecore\.ready/, { deadlineMs: START_MS });
  }

  /** kill -9, without a good-bye. */
  async killCloud(): Promise<void> {
    await this.#kill(this.#cloud);
  }

  async killEdge(): Promise<void> {
    await this.#kill(this.#edge);
  }

  /** Has cloud and edge give back what is garbage: they do before they write their modules into the log. What is left in their heaps. */
  async collectGarbage(): Promise<string[]> {
    const heaps: string[] = [];
    for (const program of [this.#cloud, this.#edge]) {
      const dumps = (): string[] => (program?.lines ?? []).filter((line) => line.includes('core.modules"'));
      const seen = dumps().length;
      process.kill(program?.pid ?? 0, 'SIGUSR2');
      await until(() => dumps().length > seen, { what: 'the modules of a program in its log' });
      const { event, memory } = JSON.parse(dumps().at(-1) ?? '') as { event: string; memory: { heapMib: number } };
      heaps.push(`${event.replace('.modules', '')} heap ${String(memory.heapMib)} MiB`);
    }
    return heaps;
  }

  /** Processes of mappers: children of the edge. */
  mapperPids(): number[] {
    return childrenOf(this.edgePid);
  }

  /** What was logged as an error, once for each event. */
  errors(): string[] {
    return [...new Set([...this.#errors, ...errorsOf(this.#edge), ...errorsOf(this.#cloud)])];
  }

  /** The last lines of both, for who has to find out what went wrong. */
  lastWords(): string {
    const tail = (child: TestProcess | undefined): string => (child?.lines ?? []).slice(-60).join('\n');
    return `--- edge\n${tail(this.#edge)}\n--- cloud\n${tail(this.#cloud)}`;
  }

  async stop(): Promise<void> {
    await this.#edge?.stop();
    await this.#cloud?.stop();
    await this.cable.cut();
  }

  async #kill(child: TestProcess | undefined): Promise<void> {
    if (child === undefined) return;
    this.#errors.push(...errorsOf(child));
    child.kill();
    await child.exited;
  }
}

function errorsOf(child: TestProcess | undefined): string[] {
  return (child?.lines ?? []).filter((line) => line.includes('"level":"error"')).map((line) => /"event":"([^"]+)"/.exec(line)?.[1] ?? line);
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && parentOf(pid) === parent);
}

function parentOf(pid: number): number | undefined {
  try {
    const fields =
      readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
        .split(') ')[1]
        ?.split(' ') ?? [];
    return Number(fields[1]);
  } catch {
    return undefined;
  }
}

/** MiB; undefined when it is gone. */
export function rssOf(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}
