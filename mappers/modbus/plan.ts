/** Owns which requests read a set of points: near ones share a request, within what one answer can carry. Pure. */
import { isBits, MOST_BITS, MOST_REGISTERS, type Range, type Space } from './frames.ts';

export interface Placed<Item> extends Range {
  readonly item: Item;
}

export interface PlannedRead<Item> extends Range {
  /** Sorted by address; each lies within the range. */
  readonly points: readonly Placed<Item>[];
}

export interface PlanLimits {
  /** Unwanted registers between two points that are rather read along than left out. */
  readonly registerGap: number;
  readonly bitGap: number;
  /** What one answer may carry. */
  readonly mostRegisters: number;
  readonly mostBits: number;
}

/** A request of its own costs about 13 bytes and the device's turn-around time on a line; a register costs 2 bytes. */
export const USUAL_LIMITS: PlanLimits = { registerGap: 10, bitGap: 128, mostRegisters: MOST_REGISTERS, mostBits: MOST_BITS };

const order: readonly Space[] = ['coil', 'discrete', 'input', 'holding'];

/**
 * Few requests that cover all points, ordered by table and address. A point is never split; points may overlap. Points of different tables
 * never share a request.
 */
export function planReads<Item>(points: readonly Placed<Item>[], limits: PlanLimits = USUAL_LIMITS): PlannedRead<Item>[] {
  const sorted = [...points].sort((a, b) => order.indexOf(a.space) - order.indexOf(b.space) || a.address - b.address || a.count - b.count);
  const reads: PlannedRead<Item>[] = [];
  let open: Placed<Item>[] = [];
  let end = 0;
  for (const point of sorted) {
    const [first] = open;
    if (first !== undefined && !joins({ space: first.space, address: first.address, end }, point, limits)) {
      reads.push(covering(open));
      open = [];
      end = 0;
    }
    open.push(point);
    end = Math.max(end, point.address + point.count);
  }
  if (open.length > 0) reads.push(covering(open));
  return reads;
}

/** After a refusal of the whole: the same points without gaps between them, and, when there were none, each by itself. */
export function splitRead<Item>(read: PlannedRead<Item>): PlannedRead<Item>[] {
  const tight = planReads(read.points, { ...USUAL_LIMITS, registerGap: 0, bitGap: 0 });
  if (tight.length > 1) return tight;
  const places = new Map<string, Placed<Item>[]>();
  for (const point of read.points) {
    const key = `${point.address}+${point.count}`;
    places.set(key, [...(places.get(key) ?? []), point]);
  }
  return [...places.values()].map(covering);
}

/** What makes a refused request recognisable when it is planned again. */
export function rangeKey({ space, address, count }: Range): string {
  return `${space}:${address}+${count}`;
}

/** `end`: the address behind the last of what is read so far. */
function joins(open: { space: Space; address: number; end: number }, point: Range, limits: PlanLimits): boolean {
  if (open.space !== point.space) return false;
  const bits = isBits(point.space);
  const total = Math.max(open.end, point.address + point.count) - open.address;
  return (
    point.address - open.end <= (bits ? limits.bitGap : limits.registerGap) && total <= (bits ? limits.mostBits : limits.mostRegisters)
  );
}

function endOf(points: readonly Range[]): number {
  return points.reduce((end, { address, count }) => Math.max(end, address + count), 0);
}

function covering<Item>(points: readonly Placed<Item>[]): PlannedRead<Item> {
  const { space, address } = points[0] as Placed<Item>;
  return { space, address, count: endOf(points) - address, points };
}
