/**
 * Owns what the author of a plugin supplies to the contract test: the plugin, and a device of its protocol that can be made to misbehave.
 *
 * A harness is one object; the kit starts a fresh device for each case and stops it again. What a protocol does not have is left out, and
 * the cases for it with it. All methods resolve when their effect stands; `speak` and `restore` also work when the device is well.
 */
import type { ValueType } from '#device-models/values.ts';
import type { MapperPlugin, PropertyValue } from '../contract.ts';

export interface ContractHarness<Link = unknown, Access = unknown> {
  readonly plugin: MapperPlugin<Link, Access>;
  /** A device that answers, with nothing from an earlier one. */
  start(): Promise<DeviceUnderTest>;
  /** Longest time in which the plugin notices that nobody answers: its own time-out and a margin for a busy machine; ms, default 5000. */
  readonly patienceMs?: number;
  /** How many points a device of this protocol can have at most; default 1000, and less needs a reason. */
  readonly mostPoints?: number;
}

export interface DeviceUnderTest {
  /** The device's protocol block as a profile has it: flat, such as `{ ip: '127.0.0.1', port: 5020, slaveID: 1 }`. */
  readonly link: Readonly<Record<string, unknown>>;
  /** The first `count` of its good points, always the same ones. Each has a name of its own; several may share a place in the device. */
  points(count: number): readonly TestPoint[];
  /** A point that the device answers with an error: an address that it does not have. */
  readonly bad: TestPoint;
  /** A point that takes both values and shows them afterwards. Absent: nothing can be written. */
  readonly writable?: { readonly point: TestPoint; readonly values: readonly [PropertyValue, PropertyValue] };
  /** A write that the device itself refuses. Absent: nothing can be written. */
  readonly refusing?: { readonly point: TestPoint; readonly value: PropertyValue };

  /** From now on nothing is answered; an open connection stays as it is, as with a device that hangs. `speak` ends it. */
  silence(): Promise<void>;
  speak(): Promise<void>;
  /** Each answer comes so much later (0: at once again). Absent: the protocol has no device that could be slow. */
  readonly slow?: (ms: number) => Promise<void>;
  /** Ends all connections, as a pulled cable or a restart does, and takes no new ones until `restore`. */
  cut(): Promise<void>;
  restore(): Promise<void>;
  /** Changes the value behind a point of `points` at the device, for plugins that are told of it. Absent: `writable` is written instead. */
  readonly change?: (point: TestPoint) => Promise<void>;
  /** Connections (sessions, sockets) that the device sees. Absent: it cannot tell. */
  readonly connections?: () => number;
  stop(): Promise<void>;
}

export interface TestPoint {
  readonly name: string;
  readonly type: ValueType;
  /** The visitor as a profile has it: `{ register: 'HoldingRegister', offset: 2 }`. */
  readonly visitor: Readonly<Record<string, unknown>>;
  /** Decimal text, as the model says it. */
  readonly minimum?: string;
}

/** How cases become tests: `test` of uvu, node:test, mocha, vitest and their kin. */
export type Register = (title: string, run: () => Promise<void>) => void;
