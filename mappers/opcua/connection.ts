/** Owns one session as the host sees it: values or an error per point, writes in the node's own type, pushed values. */
import type { DataValue, NodeId } from 'node-opcua-client';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { Connection, Point, PropertyValue, Reading, RequestOptions } from '../contract.ts';
import { describeAccess, type OpcuaAccess } from './access.ts';
import type { OpcuaLink } from './link.ts';
import { encodeList } from './list.ts';
import { NodeTable } from './nodes.ts';
import { Reads } from './reads.ts';
import type { ServerLink } from './server-link.ts';
import { statusOf, statusText, writeFailure } from './status.ts';
import { Subscriptions, type Watched } from './subscription.ts';
import { decodeVariant, encodeVariant, nameOfType, stampOf, type EncodedVariant } from './variant.ts';

type OpcuaPoint = Point<OpcuaAccess>;

const USUAL_SAMPLING_MS = 1000;
const REMEMBERED_LIMIT = 1000;
/** A server whose clock is further from ours gives stamps that would be lies here. */
const CLOCK_DIFFERENCE_MS = 5000;

export class OpcuaConnection implements Connection<OpcuaLink, OpcuaAccess> {
  readonly lost: Promise<void>;
  readonly #link: ServerLink;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #nodes: NodeTable;
  readonly #reads: Reads;
  readonly #subscriptions: Subscriptions;
  readonly #ends = new Set<() => void>();
  /** Of string properties, by the place of the node. */
  readonly #written = new Map<string, { held: string; text: string }>();
  #trustsClock = false;

  constructor(link: ServerLink, { clock, log }: { clock: Clock; log: Logger }) {
    this.#link = link;
    this.#clock = clock;
    this.#log = log;
    this.lost = link.lost;
    this.#nodes = new NodeTable(link);
    this.#reads = new Reads(link);
    this.#subscriptions = new Subscriptions({ link, clock, log });
    link.onRepaired(() => void this.#afterRepair());
  }

  async read(_link: OpcuaLink, points: readonly OpcuaPoint[], { signal }: RequestOptions): Promise<readonly Reading[]> {
    if (points.length === 0) {
      await this.#checkServer(signal);
      return [];
    }
    const readings: Reading[] = [];
    const found: { point: OpcuaPoint; node: NodeId }[] = [];
    for (const point of points) {
      const node = await this.#resolved(point, signal);
      if ('error' in node) readings.push(node);
      else found.push({ point, node });
    }
    const { AttributeIds } = this.#link.opcua;
    const values = await this.#reads.values(
      found.map(({ node }) => ({ nodeId: node, attributeId: AttributeIds.Value })),
      signal,
    );
    for (const [index, { point }] of found.entries()) readings.push(this.#reading(point, values[index], 'read'));
    return readings;
  }

  async write(_link: OpcuaLink, { point, value }: { point: OpcuaPoint; value: PropertyValue }, { signal }: RequestOptions): Promise<void> {
    const place = describeAccess(point.access);
    const node = await this.#nodes.resolve(point.access, signal);
    const { type, isList } = await this.#nodes.typeOf(place, node, signal);
    const variant = isList ? encodeList(place, type, value) : encodeVariant(place, type, value);
    const { AttributeIds } = this.#link.opcua;
    const result = await this.#link.call(
      (session) => session.write({ nodeId: node, attributeId: AttributeIds.Value, value: { value: variant } }),
      signal,
    );
    if (result.isGoodish() || result.name.startsWith('Good')) return this.#remember(place, variant, value);
    const failure = writeFailure(place, result.name);
    if (result.name !== 'BadTypeMismatch') throw failure;
    throw new HiveletError('POINT_REJECTED', `${failure.message}; a ${nameOfType(type)} was written`, { facts: failure.facts });
  }

  /** The same time, the same list can be written in many ways: as long as the node holds what was written, it is shown as it was written. */
  #remember(place: string, sent: EncodedVariant, value: PropertyValue): void {
    const held = decodeVariant(sent, 'string');
    if (typeof value !== 'string' || 'fault' in held) return void this.#written.delete(place);
    if (this.#written.size >= REMEMBERED_LIMIT) this.#written.clear();
    this.#written.set(place, { held: String(held.value), text: value });
  }

  async subscribe(
    _link: OpcuaLink,
    points: readonly OpcuaPoint[],
    ...[emit, signal]: [emit: (readings: readonly Reading[]) => void, signal: AbortSignal]
  ): Promise<ReadonlySet<string>> {
    const byName = new Map(points.map((point) => [point.name, point]));
    const items: Watched[] = [];
    for (const point of points) {
      const node = await this.#resolved(point, signal);
      if (!('error' in node)) items.push({ name: point.name, node, sampling: point.sampling ?? { everyMs: USUAL_SAMPLING_MS } });
    }
    if (items.length === 0) return new Set();
    const outlet = new Outlet((readings) => signal.aborted || this.#link.closing.aborted || emit(readings));
    const onChange = (name: string, value: DataValue): void => {
      const point = byName.get(name);
      if (point !== undefined) outlet.add(this.#reading(point, value, 'pushed'));
    };
    const { names, end } = await this.#subscriptions.watch(items, { onChange, signal });
    this.#endWith(signal, end);
    return names;
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    this.#subscriptions.stop();
    await this.#link.close();
  }

  #endWith(signal: AbortSignal, end: () => Promise<void>): void {
    const leave = (): void => {
      signal.removeEventListener('abort', onAbort);
      this.#ends.delete(leave);
    };
    const onAbort = (): void => {
      leave();
      void end();
    };
    this.#ends.add(leave);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  }

  async #resolved(point: OpcuaPoint, signal: AbortSignal): Promise<NodeId | (Reading & { error: string })> {
    try {
      return await this.#nodes.resolve(point.access, signal);
    } catch (error) {
      if (!isHiveletError(error, 'POINT_REJECTED')) throw error;
      return { name: point.name, error: error.message, answered: true };
    }
  }

  #reading(point: OpcuaPoint, value: DataValue | undefined, how: 'read' | 'pushed'): Reading {
    const { name } = point;
    const place = describeAccess(point.access);
    if (value === undefined) return { name, error: `${place}: the server left it out of its answer`, answered: true };
    const status = value.statusCode;
    if (status.isBad()) return { name, error: `${place}: ${statusText(bare(status.name))}`, answered: true };
    const decoded = decodeVariant(value.value, point.type);
    if ('fault' in decoded) return { name, error: `${place}: ${decoded.fault}`, answered: true };
    const at = this.#trustsClock ? stampOf(value, { how, latestMs: this.#clock.now() + CLOCK_DIFFERENCE_MS }) : undefined;
    const written = point.type === 'string' ? this.#written.get(place) : undefined;
    return {
      name,
      value: written?.held === String(decoded.value) ? written.text : decoded.value,
      ...(how === 'read' ? { raw: this.#link.bytesOf(value.value) } : {}),
      ...(at === undefined ? {} : { at }),
      // Neither good nor bad.
      ...(status.isGoodish() ? {} : { quality: { word: 'stale', reason: statusText(bare(status.name)) } }),
    };
  }

  /** The server answers, and has the same time as we do. */
  async #checkServer(signal: AbortSignal): Promise<void> {
    const { opcua } = this.#link;
    const ids = [opcua.VariableIds.Server_ServerStatus_State, opcua.VariableIds.Server_ServerStatus_CurrentTime];
    const asked = ids.map((id) => ({ nodeId: opcua.coerceNodeId(id), attributeId: opcua.AttributeIds.Value }));
    const [, time] = await this.#link.call((session) => session.read(asked, 0), signal);
    const theirs: unknown = time?.value.value;
    const difference = theirs instanceof Date ? Math.abs(theirs.getTime() - this.#clock.now()) : Infinity;
    const trusts = difference <= CLOCK_DIFFERENCE_MS;
    if (this.#trustsClock && !trusts) this.#log.info('opcua.clock.differs', { url: this.#link.url, ms: difference });
    this.#trustsClock = trusts;
  }

  /** First contact: whether stamps can be used. A server that does not say so is served all the same. */
  async begin(signal: AbortSignal): Promise<void> {
    try {
      await this.#checkServer(signal);
    } catch (error) {
      if (signal.aborted || statusOf(error) === undefined) throw error;
    }
  }

  async #afterRepair(): Promise<void> {
    try {
      if (await this.#nodes.forget(this.#link.closing)) this.#link.giveUp('the server came back with other namespaces');
    } catch (error) {
      this.#log.debug('opcua.namespaces.unknown', { url: this.#link.url, error });
    }
  }
}

/** Without the bits that say more than the code, such as an overflow. */
function bare(status: string): string {
  return status.replace(/#.*$/, '');
}

/** What comes in one message of the server is told at once. */
class Outlet {
  readonly #emit: (readings: readonly Reading[]) => void;
  #waiting: Reading[] = [];

  constructor(emit: (readings: readonly Reading[]) => unknown) {
    this.#emit = (readings) => void emit(readings);
  }

  add(reading: Reading): void {
    if (this.#waiting.push(reading) > 1) return;
    queueMicrotask(() => {
      const told = this.#waiting;
      this.#waiting = [];
      this.#emit(told);
    });
  }
}
