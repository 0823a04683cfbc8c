/** Owns the port that get, set and watch use: the twins of a cluster, or of one board. */

export interface DeviceLine {
  namespace: string;
  name: string;
  node: string;
  model: string;
  protocol: string;
  /** online, offline, ...; '' when nobody said. */
  state: string;
  /** Unix ms; absent when never seen. */
  lastSeenMs?: number;
  /** What a person should know: the first condition that is not as it should be. */
  note: string;
}

export interface NodeLine {
  name: string;
  ready: string;
  /** Unix ms of the last heartbeat. */
  heartbeatMs?: number;
  version: string;
  devices: number;
}

export interface TwinLine {
  property: string;
  type: string;
  unit: string;
  readOnly: boolean;
  /** Absent: nothing is wanted. */
  desired?: string;
  /** Absent: nothing was reported. */
  reported?: string;
  reportedAtMs?: number;
  /** What is between the two: `in sync`, `pending`, `override 25`, or '' when nothing is wanted; and why a value is not good: `bad: no such point`. */
  state: string;
}

export interface DeviceTwins {
  device: DeviceLine;
  twins: TwinLine[];
}

export interface Change {
  property: string;
  value: string;
}

export interface SetOptions {
  /** How long to wait for the report; 0 = not at all. */
  waitMs: number;
}

export interface SetOutcome {
  /** As it was written, after booleans and the like were put into their usual form. */
  property: string;
  value: string;
  before?: string;
  /** Absent: not reported in time. */
  reported?: string;
  afterMs?: number;
  /** Why it was not reported, as far as that is known. */
  reason?: string;
}

export type Seen =
  { kind: 'twin'; device: string; twin: TwinLine } | { kind: 'state'; device: string; state: string } | { kind: 'gone'; device: string };

export interface UploadSeen {
  /** Grows with each upload of the cloud. */
  seq?: number;
  /** Unix ms; absent when the source does not know. */
  atMs?: number;
  node: string;
  topic: string;
  payload: string;
}

export interface TwinSource {
  /** For people: `https://127.0.0.1:6443` or `tcp://127.0.0.1:1883`. */
  readonly where: string;
  devices(): Promise<DeviceLine[]>;
  nodes(): Promise<NodeLine[]>;
  /** Throws NOT_FOUND with the nearest name. */
  twins(device: string): Promise<DeviceTwins>;
  /** Throws VALUE_INVALID before anything is written when one of the values cannot be set. */
  set(device: string, changes: readonly Change[], options: SetOptions): Promise<SetOutcome[]>;
  /** What is there first, then each change; ends when `signal` aborts. Names are devices; empty = all. */
  watch(devices: readonly string[], seen: (change: Seen) => void, signal: AbortSignal): Promise<void>;
  uploads(seen: (upload: UploadSeen) => void, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
