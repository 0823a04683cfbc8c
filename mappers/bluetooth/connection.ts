/** Owns what the host does with one device: reads, writes and subscriptions by property, over the session that stands. */
import { abortable } from '#beehive/abortable.ts';
import { setMaxListeners } from 'node:events';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Connection, PropertyValue, Reading, RequestOptions } from '../contract.ts';
import type { BluetoothAccess } from './access.ts';
import { bytesOf, valueOf, type BluetoothPoint } from './codec.ts';
import type { BluetoothLink } from './link.ts';
import { Pushes, type Emit } from './pushes.ts';
import type { Characteristic, Session } from './session.ts';
import type { Tag } from './tag.ts';
import { uuidText } from './uuid.ts';

export interface BluetoothConnectionOptions {
  session: Session;
  tag: Tag;
  clock: Clock;
  log: Logger;
  /** Called when a link that stands is closed: then the device is no longer looked for, either. */
  release: () => void;
}

export class BluetoothConnection implements Connection<BluetoothLink, BluetoothAccess> {
  readonly lost: Promise<void>;
  readonly #options: BluetoothConnectionOptions;
  readonly #closing = new AbortController();

  constructor(options: BluetoothConnectionOptions) {
    this.#options = options;
    const { ended } = options.session;
    setMaxListeners(0, this.#closing.signal);
    this.lost = new Promise((resolve) => {
      if (ended.aborted) return resolve();
      ended.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  read(_link: BluetoothLink, points: readonly BluetoothPoint[], options: RequestOptions): Promise<readonly Reading[]> {
    return abortable(this.#read(points, options), this.#closing.signal);
  }

  write(_link: BluetoothLink, { point, value }: { point: BluetoothPoint; value: PropertyValue }, options: RequestOptions): Promise<void> {
    return abortable(this.#write(point, value, options), this.#closing.signal);
  }

  subscribe(
    _link: BluetoothLink,
    points: readonly BluetoothPoint[],
    ...[emit, signal]: [emit: Emit, signal: AbortSignal]
  ): Promise<ReadonlySet<string>> {
    return abortable(this.#subscribe(points, emit, signal), this.#closing.signal);
  }

  async close(): Promise<void> {
    const { session, release } = this.#options;
    if (this.#closing.signal.aborted) return;
    const stopped = new HiveletError('STOPPED', `the connection to ${session.address} is closed`);
    // What still waits is told why the link was lost, and not that it was tidied up.
    this.#closing.abort(session.ended.aborted ? session.ended.reason : stopped);
    if (!session.ended.aborted) release();
    // Somebody else may use the link; if not, it is being closed.
    if (session.ended.aborted) await session.close('it is no longer used');
  }

  /** One request per characteristic, however many properties are made of it. */
  async #read(points: readonly BluetoothPoint[], options: RequestOptions): Promise<readonly Reading[]> {
    const { session } = this.#options;
    session.ended.throwIfAborted();
    if (points.length === 0) await session.ping(options);
    const answers = new Map<Characteristic, Promise<Uint8Array | undefined>>();
    const readings: Reading[] = [];
    for (const point of points) {
      const characteristic = this.#find(point);
      if (characteristic === undefined) {
        readings.push({ name: point.name, error: this.#missing(point), answered: true });
        continue;
      }
      const answer = answers.get(characteristic) ?? this.#bytes(characteristic, options);
      answers.set(characteristic, answer);
      const reading = await this.#reading(point, answer);
      if (reading !== undefined) readings.push(reading);
    }
    return readings;
  }

  /** What can only be written, or only be subscribed to, has no value until it was. */
  async #bytes(characteristic: Characteristic, options: RequestOptions): Promise<Uint8Array | undefined> {
    const { session } = this.#options;
    return characteristic.can.read ? session.read(characteristic, options) : session.shown(characteristic);
  }

  async #reading(point: BluetoothPoint, answer: Promise<Uint8Array | undefined>): Promise<Reading | undefined> {
    const { name } = point;
    try {
      const bytes = await answer;
      return bytes === undefined ? undefined : this.#valued(point, bytes);
    } catch (error) {
      if (!isHiveletError(error, 'POINT_REJECTED')) throw error;
      return { name, error: messageOf(error), answered: true };
    }
  }

  #valued(point: BluetoothPoint, bytes: Uint8Array): Reading {
    const { name } = point;
    try {
      return { name, value: valueOf(point, bytes, this.#options.tag.written.get(keyOf(point))), raw: bytes };
    } catch (error) {
      if (!isHiveletError(error)) throw error;
      return { name, error: `${uuidText(point.access.characteristic)}: ${messageOf(error)}`, answered: true };
    }
  }

  async #write(point: BluetoothPoint, value: PropertyValue, options: RequestOptions): Promise<void> {
    const { session, tag } = this.#options;
    session.ended.throwIfAborted();
    const characteristic = this.#find(point);
    if (characteristic === undefined) throw new HiveletError('POINT_REJECTED', this.#missing(point));
    if (!characteristic.can.write && !characteristic.can.writeBlind)
      throw new HiveletError('POINT_REJECTED', `${uuidText(characteristic.uuid)} of ${session.address} cannot be written`);
    const { bytes, text } = bytesOf(point, value);
    await session.write(characteristic, bytes, options);
    tag.written.set(keyOf(point), text);
  }

  async #subscribe(points: readonly BluetoothPoint[], emit: Emit, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { session, clock, log } = this.#options;
    const pushes = new Pushes(clock, emit);
    const ends: (() => void)[] = [() => pushes.end()];
    const end = (): void => {
      for (const each of ends.splice(0)) each();
    };
    for (const each of [signal, this.#closing.signal, session.ended]) each.addEventListener('abort', end, { once: true });
    const pushed = new Set<string>();
    for (const [characteristic, sharing] of this.#pushable(points)) {
      const tell = (bytes: Uint8Array): void => {
        for (const point of sharing) pushes.push(this.#valued(point, bytes), point.sampling?.everyMs);
      };
      // A notification holds what fits into one packet: of a longer value the rest has to be read.
      const push = (bytes: Uint8Array): void => {
        if (bytes.length < session.payload || !characteristic.can.read) return tell(bytes);
        session.read(characteristic, { signal }).then(tell, (error: unknown) => log.debug('bluetooth.read.failed', { error }));
      };
      try {
        const undo = await session.subscribe(characteristic, push, { signal });
        if (signal.aborted || this.#closing.signal.aborted) undo();
        else ends.push(undo);
        for (const { name } of sharing) pushed.add(name);
        const first = await this.#bytes(characteristic, { signal });
        if (first !== undefined) tell(first);
      } catch (error) {
        if (!isHiveletError(error, 'POINT_REJECTED')) throw error;
        log.debug('bluetooth.subscribe.refused', { characteristic: uuidText(characteristic.uuid), error });
      }
    }
    return pushed;
  }

  /** Characteristics that tell their changes, with the points that are made of them. */
  #pushable(points: readonly BluetoothPoint[]): Map<Characteristic, BluetoothPoint[]> {
    const found = new Map<Characteristic, BluetoothPoint[]>();
    for (const point of points) {
      const characteristic = this.#find(point);
      if (characteristic?.can.notify !== true) continue;
      found.set(characteristic, [...(found.get(characteristic) ?? []), point]);
    }
    return found;
  }

  #find({ access }: BluetoothPoint): Characteristic | undefined {
    return this.#options.session.find(access.characteristic, access.service);
  }

  #missing({ access }: BluetoothPoint): string {
    return `${this.#options.session.address} has no characteristic ${uuidText(access.characteristic)}: \`hivelet discover ble\` shows those it has`;
  }
}

function keyOf({ name, access }: BluetoothPoint): string {
  return `${access.characteristic} ${name}`;
}
