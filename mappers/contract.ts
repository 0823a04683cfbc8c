/** Owns the plugin contract: a mapper plugin moves bytes; the host owns schedules, retries, values, reports and topics. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { ValueType } from '#device-models/values.ts';

/** A value on its way from or to a device. `int` is a bigint so that 64 bits survive. */
export type PropertyValue = bigint | number | boolean | string | Uint8Array;

/** Reads one block of a Device as written (any generation) into its normal form; throws PROFILE_INVALID naming `path` + field. */
export type Schema<T> = (input: Record<string, unknown>, path: string) => T;

/** One property as a plugin sees it. */
export interface Point<Access> {
  readonly name: string;
  readonly type: ValueType;
  readonly access: Access;
}

/** One bad point is a value, not a throw. `value` is what the device holds, before the host's offset, range and text form. */
export type Reading =
  | { readonly name: string; readonly value: PropertyValue; readonly raw?: Uint8Array }
  | {
      readonly name: string;
      readonly error: string;
      /** true: the device answered and refused; false: it did not answer. */ readonly answered: boolean;
    };

export interface PluginContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborts when the link is no longer wanted. */
  readonly signal: AbortSignal;
}

export interface MapperPlugin<Link = unknown, Access = unknown> {
  /** "modbus", "iio", ... or the name of a customizedProtocol. Compared case-insensitively. */
  readonly protocol: string;
  /** The device's protocol block, normalised. */
  readonly link: Schema<Link>;
  /** One property visitor, normalised. */
  readonly access: (input: Record<string, unknown>, path: string, property: { name: string; type: ValueType; minimum?: string }) => Access;
  /** Devices with the same key share one connection and one queue: "/dev/ttyUSB0", "192.0.2.4:502". */
  linkKey(link: Link): string;
  /** true when the medium is shared by several devices that cost each other time (a serial line): dead ones are probed rarely. */
  readonly sharedMedium?: (link: Link) => boolean;
  /** Resolves when usable; throws DEVICE_UNREACHABLE otherwise. */
  open(link: Link, context: PluginContext): Promise<Connection<Link, Access>>;
}

export interface Connection<Link = unknown, Access = unknown> {
  /** Reads points of one device. Throws DEVICE_UNREACHABLE when the device does not answer at all. */
  read(link: Link, points: readonly Point<Access>[], signal: AbortSignal): Promise<readonly Reading[]>;
  /** Throws POINT_REJECTED when the device refuses, DEVICE_UNREACHABLE when it does not answer, VALUE_INVALID when it cannot be encoded. */
  write(link: Link, point: Point<Access>, value: PropertyValue, signal: AbortSignal): Promise<void>;
  /** Present when the protocol pushes values. */
  subscribe?(link: Link, points: readonly Point<Access>[], emit: (reading: Reading) => void, signal: AbortSignal): Promise<void>;
  /** Idempotent. After it nothing of this connection is pending. */
  close(): Promise<void>;
}

/** How mappers and the twin meet: MQTT topics, in the process or over a socket (DESIGN D6). */
export interface PubSub {
  publish(topic: string, payload: string): void;
  subscribe(filter: string, handler: (topic: string, payload: Buffer) => void): void;
  unsubscribe(filter: string): void;
}
