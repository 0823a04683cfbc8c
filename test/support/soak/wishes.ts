/** Owns the values that the trial wants: what was last set in the API or changed at each device, and whether all of it has arrived. */
import type { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import type { PlantDevice } from '#test/simulators/plants/plant.ts';
import { until } from '../until.ts';
import { readDevice, setDesired, stateOf, twinOf } from './plant-api.ts';

const RETRY_MS = 300;

export class Wishes {
  readonly #api: KubeClient;
  readonly #devices: readonly PlantDevice[];
  readonly #wanted = new Map<string, string>();
  readonly #running = new Set<Promise<void>>();
  readonly #busy = new Set<string>();
  #count = 0;

  constructor(api: KubeClient, devices: readonly PlantDevice[]) {
    this.#api = api;
    this.#devices = devices;
  }

  /** How many were made. */
  get count(): number {
    return this.#count;
  }

  /** A new value for one device; a no-op while an earlier one of it is on its way to the API. Goes on until the API took it. */
  make(at: number): void {
    const device = this.#devices[Math.floor(at * this.#devices.length)];
    if (device === undefined || this.#busy.has(device.name)) return;
    this.#busy.add(device.name);
    const done = this.#make(device, device.text(++this.#count)).finally(() => {
      this.#busy.delete(device.name);
      this.#running.delete(done);
    });
    this.#running.add(done);
  }

  async #make(device: PlantDevice, text: string): Promise<void> {
    if (device.change !== undefined) {
      await device.change(text);
      this.#wanted.set(device.name, text);
      return;
    }
    for (;;) {
      try {
        await setDesired(this.#api, device, text);
        this.#wanted.set(device.name, text);
        return;
      } catch {
        // The cloud is away; whether it took the value before it went is found out by setting it again.
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Every device holds what was wanted last, reports it and is online. The error names those that do not. */
  async arrived(deadlineMs: number): Promise<void> {
    await Promise.all(this.#running);
    let late: string[] = [];
    const all = async (): Promise<boolean> => {
      late = (await Promise.all(this.#devices.map((device) => this.#fault(device)))).filter((fault) => fault !== '');
      return late.length === 0;
    };
    await until(all, { what: 'every value to have arrived', deadlineMs, everyMs: 500 }).catch((error: unknown) => {
      throw new Error(`${late.length} of ${this.#devices.length} devices are not as they should be:\n${late.join('\n')}`, { cause: error });
    });
  }

  async #fault(device: PlantDevice): Promise<string> {
    const object = await readDevice(this.#api, device);
    const reported = twinOf(object, device.property)?.reported?.value;
    const held = device.held();
    const wanted = this.#wanted.get(device.name) ?? held;
    const state = stateOf(object);
    if (held === wanted && reported === wanted && state === 'online') return '';
    return `${device.name}: wanted ${String(wanted)}, it holds ${String(held)}, reported ${String(reported)}, ${String(state)}: ${JSON.stringify(object['status'])}`;
  }
}
