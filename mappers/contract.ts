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
  /** For plugins that subscribe: how often the device is to look at it. Absent: as the plugin likes. */
  readonly sampling?: Sampling;
}

export interface Sampling {
  /** The collect cycle, ms. */
  readonly everyMs: number;
  /** In the device's own unit, before the scale. Smaller changes need not be told. */
  readonly deadband?: { readonly kind: 'absolute' | 'percent'; readonly value: number };
}

/** One bad point is a value, not a throw. `value` is what the device holds, before the host's scale and text form. */
export type Reading =
  | {
      readonly name: string;
      readonly value: PropertyValue;
      /** When the device took it, ms since 1970 by a clock that can be trusted; absent: now. */
      readonly at?: number;
      /** Absent: good. stale: the device has it, but says that it is old or doubtful, with the reason. */
      readonly quality?: { readonly word: 'stale'; readonly reason: string };
      /** What came over the wire, for people who look for a fault (`hivelet read`). */
      readonly raw?: Uint8Array;
    }
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
  /** true when a device forgets what was written to it as its link ends (Bluetooth): desired values are looked at again on each new connection. */
  readonly forgetful?: boolean;
  /**
   * Resolves when usable; throws DEVICE_UNREACHABLE otherwise. With the fact `retryMs` it is tried again after that time, without back-off: for
   * a plugin that looks for the device all the time anyway. With the fact `standing: true` it is tried rarer and rarer, up to each 30 s: only a
   * person can mend it (a wrong password). Everything else is tried once per collect cycle.
   */
  open(link: Link, context: PluginContext): Promise<Connection<Link, Access>>;
  /** Whether it can work on this machine: its packages, its hardware, its rights. One sentence with the remedy when not. */
  usable?(context: PluginContext): Promise<Usability>;
  /** Looks for devices until it has seen all there is or the signal aborts; yields each as soon as it is known. */
  discover?(where: DiscoveryScope, context: PluginContext): AsyncIterable<FoundDevice>;
}

export type Usability = { readonly usable: true } | { readonly usable: false; readonly reason: string };

/** Where to look, in the words of the command line: an address, a serial port, a range; each plugin names its own keys in its errors. */
export type DiscoveryScope = Readonly<Record<string, string>>;

/** What discovery saw: enough for a DeviceModel and a Device in YAML. */
export interface FoundDevice {
  /** A name for the Device: what the device calls itself, made fit for Kubernetes by the caller. */
  readonly name: string;
  /** The protocol block of a Device as a person writes it (v1alpha2). */
  readonly protocol: Readonly<Record<string, unknown>>;
  /** Keys beside it under `protocol.common`: where the address of a serial or TCP device is written. */
  readonly common?: Readonly<Record<string, unknown>>;
  readonly properties: readonly FoundProperty[];
  /** What a person should know: signal strength, what could not be read. */
  readonly remarks: readonly string[];
}

export interface FoundProperty {
  readonly name: string;
  readonly type: ValueType;
  readonly accessMode: 'ReadOnly' | 'ReadWrite';
  readonly description?: string;
  readonly minimum?: string;
  readonly maximum?: string;
  readonly unit?: string;
  /** The visitor as a person writes it, without the protocol's name around it. */
  readonly visitor: Readonly<Record<string, unknown>>;
}

export interface Connection<Link = unknown, Access = unknown> {
  /**
   * Reads points of one device. Throws DEVICE_UNREACHABLE when the device does not answer at all. The host calls it for one device at a
   * time, but a `write` (and the urgent read after it) may come while it runs: the connection puts what its medium cannot do at once in order.
   * Without points it checks that the device answers: so the host watches a device all of whose points are pushed.
   */
  read(link: Link, points: readonly Point<Access>[], options: RequestOptions): Promise<readonly Reading[]>;
  /**
   * Throws POINT_REJECTED when the device refuses, DEVICE_BUSY when it cannot now, DEVICE_UNREACHABLE when it does not answer,
   * VALUE_INVALID when it cannot be encoded.
   */
  write(link: Link, write: { point: Point<Access>; value: PropertyValue }, options: RequestOptions): Promise<void>;
  /**
   * Present when the protocol pushes values. Resolves, once the subscription stands, with the names that are pushed from then until `lost` or
   * the signal: the host does not poll them. A point that cannot be pushed is left out. The first value of each pushed point is emitted too.
   */
  subscribe?(
    link: Link,
    points: readonly Point<Access>[],
    emit: (readings: readonly Reading[]) => void,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>>;
  /** Settles when the connection is lost by itself, so that the next use opens a new one; never rejects. */
  readonly lost: Promise<void>;
  /** Idempotent. After it nothing of this connection is pending. */
  close(): Promise<void>;
}

/** How a plugin comes into the process: called when the first device of its protocol is bound. */
export type PluginLoader = () => Promise<MapperPlugin>;

/** Where a plugin runs: `inside` edgecore (light, pure JavaScript), or in a `child` process of its own (heavy or native). Config overrides it. */
export type Placement = 'inside' | 'child';

/** How mappers and the twin meet: MQTT topics, in the process or over a socket (DESIGN D6). */
export interface PubSub {
  publish(topic: string, payload: string): void;
  /** One handler per filter. */
  subscribe(filter: string, handler: (topic: string, payload: Buffer) => void): void;
  unsubscribe(filter: string): void;
}

/** What a Device names as password, key or certificate: a file below `<data-dir>/edge/secrets`, or `secret:NAMESPACE/NAME#KEY` (DESIGN section 4). */
export interface Secrets {
  /**
   * The bytes behind a reference, at most 64 KiB; `path` is the field that it stands in. Read anew at each call: resolve in `open`, keep
   * nothing. Rejects with PROFILE_INVALID, which names field and remedy, and never what was written there, since that may be a password.
   */
  resolve(reference: string, path: string): Promise<Buffer>;
}
