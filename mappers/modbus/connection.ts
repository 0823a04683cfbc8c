/** Owns one Modbus line as the host sees it: merged reads, values or an error per point, writes. */
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Connection, Point, PropertyValue, Reading, RequestOptions } from '../contract.ts';
import type { ModbusAccess } from './access.ts';
import { decode, encode } from './codec.ts';
import { isBits, ModbusException, readAnswer, readRequest, writeRequest, type Range } from './frames.ts';
import type { ModbusLink } from './link.ts';
import { planReads, rangeKey, splitRead, type PlannedRead } from './plan.ts';
import type { Transport } from './transport.ts';

type ModbusPoint = Point<ModbusAccess>;

const ILLEGAL_FUNCTION = 1;
/** What devices say to a range of which a part does not exist. */
const RANGE_REFUSALS: readonly number[] = [2, 3, 4];
/** Ranges remembered as refused; more would mean that the plan changes all the time. */
const REMEMBERED_LIMIT = 1000;
/** A device that answered some requests of a cycle but not these keeps the line no longer. */
const UNANSWERED_LIMIT = 2;
const MOST_WRITTEN_REGISTERS = 123;

export class ModbusConnection implements Connection<ModbusLink, ModbusAccess> {
  readonly lost: Promise<void>;
  readonly #transport: Transport;
  /** Throws PROFILE_INVALID when a device wants other line settings than the line was opened with. */
  readonly #check: (link: ModbusLink) => void;
  /** Plans of what was read before: the host asks for the same points in each cycle. */
  readonly #plans = new WeakMap<readonly ModbusPoint[], readonly PlannedRead<ModbusPoint>[]>();
  /** Merged ranges that a unit refused: they are split at once the next time. */
  readonly #refused = new Set<string>();

  constructor(transport: Transport, check: (link: ModbusLink) => void) {
    this.#transport = transport;
    this.#check = check;
    this.lost = transport.lost;
  }

  async read(link: ModbusLink, points: readonly ModbusPoint[], options: RequestOptions): Promise<readonly Reading[]> {
    this.#check(link);
    if (points.length === 0) return this.#answers(link, options);
    const open = [...this.#planned(points)].reverse();
    const readings: Reading[] = [];
    let answers = 0;
    let unanswered: HiveletError | undefined;
    let misses = 0;
    for (let read = open.pop(); read !== undefined; read = open.pop()) {
      const key = `${link.unit}:${rangeKey(read)}`;
      if (this.#refused.has(key)) {
        open.push(...splitRead(read).reverse());
        continue;
      }
      if (misses >= UNANSWERED_LIMIT) {
        readings.push(...failed(read, 'not asked: the device stopped answering', false));
        continue;
      }
      try {
        const data = await this.#request(link, readRequest(read), options);
        readings.push(
          ...read.points.map(({ item }) => {
            const raw = partOf(data, read, item.access);
            return { name: item.name, value: decode(item.access, raw), raw };
          }),
        );
        answers++;
      } catch (error) {
        if (error instanceof ModbusException && !error.fromGateway) {
          answers++;
          if (RANGE_REFUSALS.includes(error.exception) && isMerged(read)) {
            this.#remember(key);
            open.push(read);
          } else readings.push(...failed(read, error.message, true));
          continue;
        }
        unanswered = asUnreachable(error);
        if (answers === 0) throw unanswered;
        misses++;
        readings.push(...failed(read, unanswered.message, false));
      }
    }
    return readings;
  }

  async write(link: ModbusLink, { point, value }: { point: ModbusPoint; value: PropertyValue }, options: RequestOptions): Promise<void> {
    this.#check(link);
    const { access } = point;
    if (access.space === 'input' || access.space === 'discrete') {
      const kind = access.space === 'input' ? 'InputRegister' : 'DiscreteInputRegister';
      throw new HiveletError('POINT_REJECTED', `${point.name} is in an ${kind}, which cannot be written`.replace('an D', 'a D'));
    }
    if (!isBits(access.space) && access.count > MOST_WRITTEN_REGISTERS) {
      throw new HiveletError(
        'POINT_REJECTED',
        `${point.name} has ${access.count} registers, one request writes at most ${MOST_WRITTEN_REGISTERS}`,
      );
    }
    const data = encode(access, value);
    try {
      await this.#write(link, { range: access, data }, { ...options, urgent: options.urgent ?? true });
    } catch (error) {
      throw asWriteFailure(error, point.name);
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  /** Any answer will do, a refusal too: each device knows this function. */
  async #answers(link: ModbusLink, options: RequestOptions): Promise<readonly Reading[]> {
    try {
      await this.#request(link, readRequest({ space: 'holding', address: 0, count: 1 }), options);
    } catch (error) {
      if (!(error instanceof ModbusException) || error.fromGateway) throw asUnreachable(error);
    }
    return [];
  }

  #planned(points: readonly ModbusPoint[]): readonly PlannedRead<ModbusPoint>[] {
    let plan = this.#plans.get(points);
    if (plan === undefined) {
      plan = planReads(points.map((item) => ({ space: item.access.space, address: item.access.address, count: item.access.count, item })));
      this.#plans.set(points, plan);
    }
    return plan;
  }

  /** Devices that know only the functions for several registers or coils take those for one as well. */
  async #write(link: ModbusLink, { range, data }: { range: Range; data: Uint8Array }, options: RequestOptions): Promise<void> {
    const request = writeRequest(range, data);
    try {
      await this.#request(link, request, options);
    } catch (error) {
      if (range.count > 1 || !(error instanceof ModbusException) || error.exception !== ILLEGAL_FUNCTION) throw error;
      await this.#request(link, writeRequest(range, data, { asMany: true }), options);
    }
  }

  async #request(link: ModbusLink, pdu: Uint8Array, { signal, urgent = false }: RequestOptions): Promise<Uint8Array> {
    return readAnswer(pdu, await this.#transport.request({ unit: link.unit, pdu, timeoutMs: link.timeoutMs, signal, urgent }));
  }

  #remember(key: string): void {
    if (this.#refused.size >= REMEMBERED_LIMIT) this.#refused.clear();
    this.#refused.add(key);
  }
}

/** True when a refusal may be meant for a part of the range only. */
function isMerged(read: PlannedRead<ModbusPoint>): boolean {
  return read.points.some(({ address, count }) => address !== read.address || count !== read.count);
}

function failed(read: PlannedRead<ModbusPoint>, error: string, answered: boolean): Reading[] {
  return read.points.map(({ item }) => ({ name: item.name, error, answered }));
}

/** The bytes of one point in the answer to a merged request; bits are shifted to start at bit 0. */
function partOf(data: Uint8Array, read: Range, { space, address, count }: Range): Uint8Array {
  const offset = address - read.address;
  if (!isBits(space)) return data.subarray(offset * 2, (offset + count) * 2);
  const part = new Uint8Array(Math.ceil(count / 8));
  for (let index = 0; index < count; index++) {
    const from = offset + index;
    if (((data[from >> 3] ?? 0) >> (from & 7)) & 1) part[index >> 3] = (part[index >> 3] ?? 0) | (1 << (index & 7));
  }
  return part;
}

/** Aborts stay what they are; everything else means that the device could not be reached. */
function asUnreachable(error: unknown): HiveletError {
  if (isHiveletError(error)) return error;
  if (error instanceof ModbusException)
    return new HiveletError('DEVICE_UNREACHABLE', `the gateway says ${error.message}`, { facts: { timedOut: true } });
  throw error;
}

function asWriteFailure(error: unknown, name: string): unknown {
  if (!(error instanceof ModbusException)) return error;
  if (error.fromGateway) return asUnreachable(error);
  const facts = { why: messageOf(error) };
  if (error.passing) return new HiveletError('DEVICE_BUSY', `the device answered the write of ${name} with ${facts.why}`, { facts });
  return new HiveletError('POINT_REJECTED', `the device refused the write of ${name} with ${facts.why}`, { facts });
}
