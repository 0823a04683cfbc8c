/** Owns the round trip: desired in the API -> written to the device -> reported in the API, for each protocol that has something to write. */
import { join } from 'node:path';
import { systemClock } from '#beehive/clock.ts';
import { devices } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { startPlant, type PlantName } from '#test/simulators/plants/index.ts';
import type { PlantDevice } from '#test/simulators/plants/plant.ts';
import { createObjects, firstReports, setDesired, twinOf } from '#test/support/soak/plant-api.ts';
import { createSite } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until, within } from '#test/support/until.ts';

export interface RoundTrips {
  /** ms, sorted. */
  times: number[];
  p50: number;
  p95: number;
  max: number;
}

const NODE = 'edge-1';
const DEVICES = 4;
/** Far longer than a round trip may take: nothing here waits for a poll. */
const CYCLE_MS = 10_000;

/** `changes` in all, one per device in flight. The time runs from before the request until the watch of the API tells the report. */
export async function roundTrips(protocol: PlantName, changes: number): Promise<RoundTrips> {
  const plant = await startPlant(protocol, { node: NODE, devices: DEVICES, cycleMs: CYCLE_MS });
  const site = await createSite(tempDir(), NODE);
  const cloud = await site.cloud();
  const edge = await site.edge({ args: plant.sets.flatMap((set) => ['--set', set]) });
  const api = site.kube();
  // A client of its own: the watch is another program than the one that sets values.
  const watcher = new KubeClient({ access: readKubeconfig(join(site.dataDir, 'kubeconfig')), clock: systemClock });
  const reports = new Reports(watcher, plant.devices);
  try {
    await createObjects(api, plant);
    await firstReports(api, plant, 60_000);
    await reports.start();
    const times: number[] = [];
    // The first of each device is a warm-up.
    const rounds = Math.ceil(changes / plant.devices.length) + 1;
    const drive = async (device: PlantDevice, offset: number): Promise<void> => {
      for (let round = 0; round < rounds; round++) {
        const text = device.text(round * 7 + offset + 1);
        const seen = reports.next(device.name, text);
        const from = performance.now();
        await setDesired(api, device, text);
        const at = await within(seen, { what: `${device.name} to report ${text}`, deadlineMs: 60_000 });
        if (round > 0) times.push(at - from);
        await until(() => device.held() === text, { what: `${device.name} to hold ${text}` });
        // At human pace, not in phase with the polling.
        await systemClock.sleep(20 + ((round + offset) % 7) * 13);
      }
    };
    await Promise.all(plant.devices.map(drive));
    times.sort((a, b) => a - b);
    const q = (p: number): number => Math.round((times[Math.min(times.length - 1, Math.ceil(p * times.length) - 1)] ?? NaN) * 10) / 10;
    return { times, p50: q(0.5), p95: q(0.95), max: q(1) };
  } finally {
    await reports.stop();
    watcher.close();
    api.close();
    await edge.stop();
    await cloud.stop();
    await plant.stop();
  }
}

/** When the API said what. */
class Reports {
  readonly #api: KubeClient;
  readonly #properties: ReadonlyMap<string, string>;
  readonly #waiting = new Map<string, { text: string; seen: (at: number) => void }>();
  readonly #stopping = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(api: KubeClient, watched: readonly PlantDevice[]) {
    this.#api = api;
    this.#properties = new Map(watched.map(({ name, property }) => [name, property]));
  }

  async start(): Promise<void> {
    const { resourceVersion } = await this.#api.list(devices);
    this.#running = this.#watch(resourceVersion).catch(() => undefined);
  }

  next(device: string, text: string): Promise<number> {
    return new Promise((seen) => this.#waiting.set(device, { text, seen }));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #watch(resourceVersion: string): Promise<void> {
    for await (const event of this.#api.watch(devices, { resourceVersion, signal: this.#stopping.signal })) {
      if (event.type === 'bookmark') continue;
      const { name } = event.object.metadata;
      const waiting = this.#waiting.get(name);
      const twin = twinOf(event.object, this.#properties.get(name) ?? '');
      if (waiting !== undefined && twin?.reported?.value === waiting.text) waiting.seen(performance.now());
    }
  }
}
