/** Owns a plugin whose devices are values in memory: they can be dead, slow, stubborn or refuse, in virtual time. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Connection, MapperPlugin, Point, PropertyValue, Reading, RequestOptions } from '#mappers/contract.ts';

export interface BenchLink {
  line: string;
  unit: string;
}

export class BenchDevice {
  readonly values = new Map<string, PropertyValue>();
  /** Points that answer with this error. */
  readonly failing = new Map<string, string>();
  readonly writes: { name: string; value: PropertyValue }[] = [];
  reads = 0;
  dead = false;
  /** Thrown by the next writes, one each. */
  writeErrors: HiveletError[] = [];
  /** Takes writes without effect. */
  stubborn = false;
  /** Points that did not answer among others that did. */
  readonly mute = new Set<string>();
  /** What a reading says beside its value: its time, its quality. */
  readonly remarks = new Map<string, { at?: number; quality?: { word: 'stale'; reason: string } }>();
  /** Points that are pushed to who subscribes. */
  readonly pushing = new Set<string>();
  /** How often it was asked without points. */
  pings = 0;
  /** Every read takes as long. */
  readMs = 0;

  constructor(values: Record<string, PropertyValue> = {}) {
    for (const [name, value] of Object.entries(values)) this.values.set(name, value);
  }
}

/** Devices by unit; the line they hang on is theirs alone or shared (`shared`). */
export class BenchPlugin implements MapperPlugin<BenchLink, string> {
  readonly protocol = 'bench';
  readonly devices = new Map<string, BenchDevice>();
  readonly clock: Clock;
  /** Time that each line spent on requests nobody answered. */
  readonly lostMs = new Map<string, number>();
  opened = 0;
  closed = 0;
  /** Lines that cannot be opened. */
  readonly cut = new Set<string>();
  /** Only a person can mend that. */
  standing = false;
  shared = false;
  timeoutMs = 300;
  minimumCycleMs = 0;
  /** Subscriptions that stand, by unit. */
  readonly subscriptions = new Map<string, { points: readonly Point<string>[]; emit: (readings: readonly Reading[]) => void }>();
  #drop: (() => void)[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  device(unit: string, values: Record<string, PropertyValue> = {}): BenchDevice {
    const device = this.devices.get(unit) ?? new BenchDevice(values);
    this.devices.set(unit, device);
    return device;
  }

  link(input: Record<string, unknown>, path: string): BenchLink {
    if (typeof input.unit !== 'string') throw new HiveletError('PROFILE_INVALID', `${path}.unit: is missing`);
    return { unit: input.unit, line: typeof input.line === 'string' ? input.line : input.unit };
  }

  access(input: Record<string, unknown>, path: string): string {
    if (typeof input.key !== 'string') throw new HiveletError('PROFILE_INVALID', `${path}.key: is missing`);
    return input.key;
  }

  linkKey({ line }: BenchLink): string {
    return `bench:${line}`;
  }

  sharedMedium(): boolean {
    return this.shared;
  }

  /** The device changed a value by itself, and says so where somebody subscribed. */
  push(unit: string, key: string, value: PropertyValue): void {
    const device = this.device(unit);
    device.values.set(key, value);
    const { points = [], emit } = this.subscriptions.get(unit) ?? {};
    const point = points.find(({ access }) => access === key);
    if (point !== undefined) emit?.([{ name: point.name, value, ...device.remarks.get(key) }]);
  }

  /** All connections break, as when a cable is pulled. */
  dropConnections(): void {
    for (const drop of this.#drop.splice(0)) drop();
  }

  async open({ line }: BenchLink): Promise<Connection<BenchLink, string>> {
    if (this.cut.has(line))
      throw new HiveletError('DEVICE_UNREACHABLE', `${line}: refused`, { facts: { refused: true, standing: this.standing } });
    this.opened++;
    let open = true;
    const lost = new Promise<void>((resolve) => this.#drop.push(resolve));
    void lost.then(() => (open = false));
    const reach = async (unit: string, signal: AbortSignal): Promise<BenchDevice> => {
      if (!open) throw new HiveletError('DEVICE_UNREACHABLE', `${line}: closed`, { facts: { lost: true } });
      const device = this.devices.get(unit);
      if (device !== undefined && !device.dead) return device;
      const start = this.clock.monotonic();
      try {
        await this.clock.sleep(this.timeoutMs, signal);
      } finally {
        this.lostMs.set(line, (this.lostMs.get(line) ?? 0) + this.clock.monotonic() - start);
      }
      throw new HiveletError('DEVICE_UNREACHABLE', `${unit} did not answer`, { facts: { timedOut: true } });
    };
    return {
      lost,
      ...([...this.devices.values()].some(({ pushing }) => pushing.size > 0) ? { subscribe: this.#subscribe(lost) } : {}),
      read: (link, points, options) => this.#read(reach, { link, points, options }),
      write: async (link, { point, value }, { signal }) => {
        const device = await reach(link.unit, signal);
        const error = device.writeErrors.shift();
        if (error !== undefined) throw error;
        device.writes.push({ name: point.access, value });
        if (!device.stubborn) device.values.set(point.access, value);
      },
      close: async () => {
        open = false;
        this.closed++;
      },
    };
  }

  #subscribe(lost: Promise<void>): NonNullable<Connection<BenchLink, string>['subscribe']> {
    return async ({ unit }, points, emit) => {
      const device = this.device(unit);
      const pushed = points.filter(({ access }) => device.pushing.has(access));
      this.subscriptions.set(unit, { points: pushed, emit });
      void lost.then(() => this.subscriptions.delete(unit));
      for (const { access } of pushed) this.push(unit, access, device.values.get(access) ?? 0n);
      return new Set(pushed.map(({ name }) => name));
    };
  }

  async #read(
    reach: (unit: string, signal: AbortSignal) => Promise<BenchDevice>,
    { link, points, options }: { link: BenchLink; points: readonly Point<string>[]; options: RequestOptions },
  ): Promise<Reading[]> {
    const device = await reach(link.unit, options.signal);
    if (points.length === 0) device.pings++;
    else device.reads++;
    // What a slow device shows is from the start of the read.
    const readings = points.map(({ name, access }): Reading => {
      const value = device.values.get(access);
      if (device.mute.has(access)) return { name, error: 'no answer', answered: false };
      const error = device.failing.get(access) ?? (value === undefined ? 'ILLEGAL DATA ADDRESS' : undefined);
      if (error !== undefined || value === undefined) return { name, error: error ?? '', answered: true };
      return { name, value, ...device.remarks.get(access) };
    });
    if (device.readMs > 0 && options.urgent !== true) await this.clock.sleep(device.readMs, options.signal);
    return readings;
  }
}
