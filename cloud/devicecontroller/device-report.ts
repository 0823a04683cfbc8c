/** Owns what the edge last said of one device, and which report is newer: the edge's own counters decide, clocks never do. */
import { fieldsOf } from '#device-models/fields.ts';
import { readDoubt, type Doubt } from '#wire/quality.ts';
import { readWriteOutcome, type WriteOutcome } from '#wire/write-outcome.ts';

export interface ReportedValue {
  /** undefined: it was never read, and `doubt` says why. */
  value: string | undefined;
  /** `metadata.type` as the edge names it. */
  type: string;
  /** Unix ms by the edge's clock, for people. */
  timestampMs: number;
  /** Why it is not good, or not there. */
  doubt?: Doubt | undefined;
}

export interface DeviceState {
  state: string;
  reason?: string;
}

/** What became of writing a value; `override`: one that was set at the edge. */
export interface ReportedWrite {
  outcome: WriteOutcome;
  override: boolean;
}

/** A local `expected` that stands against what the API wants. */
interface Override {
  value: string;
  /** The desired text of the API when it was reported: another text ends the override. */
  against: string | undefined;
}

/** Values longer than this are refused: they do not belong into an API object. */
export const MAX_VALUE_LENGTH = 65_536;

/** Twins of one Device; an edge that makes up names must not fill the API. */
export const MAX_TWINS = 512;

export type TakenTwins = { taken: readonly string[] } | { refused: string };

export class DeviceReport {
  readonly #twins = new Map<string, ReportedValue & { version: number }>();
  readonly #overrides = new Map<string, Override>();
  readonly #writes = new Map<string, ReportedWrite>();
  /** Desired values that the edge confirmed to have (v1beta1 `observedDesired`). */
  readonly observed = new Map<string, string>();
  #store: string | undefined;
  #stateVersion = -1;
  state: DeviceState | undefined;
  /** Unix ms by the cloud's clock. */
  lastSeenMs: number | undefined;

  /** The edge has said something since this began. */
  get heard(): boolean {
    return this.#store !== undefined;
  }

  get writes(): ReadonlyMap<string, ReportedWrite> {
    return this.#writes;
  }

  get twins(): ReadonlyMap<string, ReportedValue> {
    return this.#twins;
  }

  /** Local `expected` values by property that hold against the present desired texts. */
  overrides(desired: ReadonlyMap<string, string>): Map<string, string> {
    const holding = [...this.#overrides].filter(([name, { against }]) => against === desired.get(name));
    return new Map(holding.map(([name, { value }]) => [name, value]));
  }

  /**
   * Takes the `twin` map of an edge_updated. `store` names the counter that `actual_version.edge` belongs to (the uuid of the edge's
   * database, or the link of a KubeEdge peer): a new one starts the comparison afresh. Answers the properties of which a value or the
   * outcome of a write was taken or repeated; older ones are superseded and left out.
   */
  takeTwins(twin: unknown, from: { store: string; desired: ReadonlyMap<string, string> }): TakenTwins {
    const entries = Object.entries(fieldsOf(twin) ?? {});
    const fault = entries.map(([name, part]) => faultOf(name, part)).find((text) => text !== undefined);
    if (fault !== undefined) return { refused: fault };
    this.#enter(from.store);
    const taken: string[] = [];
    for (const [name, part] of entries) {
      const fields = fieldsOf(part);
      if (fields === undefined) {
        // null: the edge dropped the property. What it said last stays in the API, as with KubeEdge.
        this.#twins.delete(name);
        this.#overrides.delete(name);
        this.#writes.delete(name);
        continue;
      }
      this.#takeOverride(name, fields, from.desired.get(name));
      const actual = this.#takeActual(name, fields);
      const superseded = !actual && fieldsOf(fields['actual']) !== undefined;
      const write = !superseded && this.#takeWrite(name, fields);
      if (actual || write) taken.push(name);
    }
    return { taken };
  }

  /** False when a newer state was taken before. */
  takeState(state: DeviceState, from: { store: string; version: number | undefined }): boolean {
    this.#enter(from.store);
    if (from.version !== undefined && from.version <= this.#stateVersion) return false;
    if (from.version !== undefined) this.#stateVersion = from.version;
    this.state = state;
    return true;
  }

  #enter(store: string): void {
    if (this.#store === store) return;
    this.#store = store;
    this.#stateVersion = -1;
    for (const [name, last] of this.#twins) this.#twins.set(name, { ...last, version: -1 });
  }

  #takeActual(name: string, fields: Record<string, unknown>): boolean {
    const actual = fieldsOf(fields['actual']);
    const value = actual?.['value'];
    const doubt = readDoubt(fields['quality']);
    if (typeof value !== 'string' && doubt === undefined) return false;
    const last = this.#twins.get(name);
    if (last === undefined && this.#twins.size >= MAX_TWINS) return false;
    const version = numberOf(fieldsOf(fields['actual_version'])?.['edge']);
    if (version !== undefined && last !== undefined && version < last.version) return false;
    const type = fieldsOf(fields['metadata'])?.['type'];
    const isValue = typeof value === 'string';
    this.#twins.set(name, {
      // An edge that has none (any more) says why: the last one that it told stands, with its time.
      value: isValue ? value : last?.value,
      type: typeof type === 'string' && type !== '' ? type : (last?.type ?? 'string'),
      timestampMs: isValue ? (numberOf(fieldsOf(actual?.['metadata'])?.['timestamp']) ?? 0) : (last?.timestampMs ?? 0),
      version: version ?? last?.version ?? -1,
      ...(doubt === undefined ? {} : { doubt }),
    });
    return true;
  }

  #takeWrite(name: string, fields: Record<string, unknown>): boolean {
    const outcome = readWriteOutcome(fields['write']);
    if (outcome === undefined || (!this.#writes.has(name) && this.#writes.size >= MAX_TWINS)) return false;
    this.#writes.set(name, { outcome, override: fields['override'] === true });
    return true;
  }

  #takeOverride(name: string, fields: Record<string, unknown>, against: string | undefined): void {
    const expected = fieldsOf(fields['expected']);
    if (fields['override'] === true && expected !== undefined) {
      const value = expected['value'];
      this.#overrides.set(name, { value: typeof value === 'string' ? value : '', against });
    } else if (expected !== undefined || fields['override'] === false) this.#overrides.delete(name);
  }
}

function faultOf(name: string, part: unknown): string | undefined {
  if (part === null) return undefined;
  const fields = fieldsOf(part);
  if (fields === undefined) return `twin ${JSON.stringify(name.slice(0, 60))} is not an object`;
  const value = fieldsOf(fields['actual'])?.['value'];
  if (value !== undefined && value !== null && typeof value !== 'string') return `twin ${JSON.stringify(name)}: actual.value is not a text`;
  if (typeof value === 'string' && value.length > MAX_VALUE_LENGTH) {
    return `twin ${JSON.stringify(name)}: actual.value is longer than ${MAX_VALUE_LENGTH} characters`;
  }
  return undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
