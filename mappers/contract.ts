/** Owns the plugin contract: a mapper plugin moves bytes; the host owns schedules, retries, values, reports and topics. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { ValueType } from '#device-models/values.ts';

/** A value on its way from or to a device, in its own format: unscaled. Whole numbers are bigints so that 64 bits survive. */
export type PropertyValue = bigint | number | boolean | string | Uint8Array;

/** Reads one block of a Device as written (any generation) into its normal form; throws PROFILE_INVALID naming `path` + field. */
export type Schema<T> = (input: Record<string, unknown>, path: string) => T;

/** What a plugin may know of the property that a visitor is for. */
export interface VisitedProperty {
  readonly name: string;
  readonly type: ValueType;
  /** Decimal text. A negative one makes a register signed. */
  readonly minimum?: string;
}

/** One property as a plugin sees it. */
export interface Point<Access = unknown> {
  readonly name: string;
  readonly type: ValueType;
  readonly access: Access;
}

/** One bad point is a value, not a throw. `value` is what the device holds, before the host's scale and text form. */
export type Reading =
  | { readonly name: string; readonly value: PropertyValue }
  | {
      readonly name: string;
      /** One sentence, or the name of a protocol exception. */
      readonly error: string;
      /** true: the device answered and refused; false: it did not answer. */
      readonly answered: boolean;
    };

export interface PluginContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the link is no longer wanted. */
  readonly signal: AbortSignal;
}

export interface RequestOptions {
  /** Settles the call, with the signal's reason, when it aborts. */
  readonly signal: AbortSignal;
  /** Goes before requests that wait and are not urgent. Writes and the read-back after them are. */
  readonly urgent?: boolean;
}

export interface MapperPlugin<Link = unknown, Access = unknown> {
  /** "modbus", "iio", ... or the name of a customizedProtocol. Compared case-insensitively. */
  readonly protocol: string;
  /** The device's protocol block, normalised. */
  readonly link: Schema<Link>;
  /** One property visitor, normalised. The host reads `scale` itself (see `defaultScale`). */
  readonly access: (input: Record<string, unknown>, path: string, property: VisitedProperty) => Access;
  /** The factor between the device's number and the property where the visitor names none; 1 when absent. */
  readonly defaultScale?: number;
  /** No property is read more often than this, whatever its collect cycle says. */
  readonly minimumCycleMs?: number;
  /** Devices with the same key share one connection and one queue: "/dev/ttyUSB0", "192.0.2.4:502". */
  linkKey(link: Link): string;
  /** true when the medium is shared by several devices that cost each other time (a serial line): dead ones are probed rarely. */
  sharedMedium?(link: Link): boolean;
  /** Resolves when usable; throws DEVICE_UNREACHABLE otherwise. */
  open(link: Link, context: PluginContext): Promise<Connection<Link, Access>>;
}

export interface Connection<Link = unknown, Access = unknown> {
  /**
   * Reads points of one device. Throws DEVICE_UNREACHABLE when the device does not answer at all. The host calls it for one device at a
   * time, but a `write` (and the urgent read after it) may come while it runs: the connection puts what its medium cannot do at once in order.
   */
  read(link: Link, points: readonly Point<Access>[], options: RequestOptions): Promise<readonly Reading[]>;
  /**
   * Throws POINT_REJECTED when the device refuses, DEVICE_BUSY when it cannot now, DEVICE_UNREACHABLE when it does not answer,
   * VALUE_INVALID when it cannot be encoded.
   */
  write(link: Link, write: { point: Point<Access>; value: PropertyValue }, options: RequestOptions): Promise<void>;
  /** Present when the protocol pushes values; the readings come besides those of `read`. */
  subscribe?(link: Link, points: readonly Point<Access>[], emit: (reading: Reading) => void, signal: AbortSignal): Promise<void>;
  /** Settles when the connection is lost by itself, so that the next use opens a new one; never rejects. */
  readonly lost: Promise<void>;
  /** Idempotent. After it nothing of this connection is pending. */
  close(): Promise<void>;
}

/** How a plugin comes into the process: called when the first device of its protocol is bound. */
export type PluginLoader = () => Promise<MapperPlugin>;

/** How mappers and the twin meet: MQTT topics, in the process or over a socket (DESIGN D6). */
export interface PubSub {
  publish(topic: string, payload: string): void;
  /** One handler per filter. */
  subscribe(filter: string, handler: (topic: string, payload: Buffer) => void): void;
  unsubscribe(filter: string): void;
}
