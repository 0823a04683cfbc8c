/** Owns finding out which addresses of a unit exist: whole ranges first, halves of what was refused. */
import { isHiveletError } from '#beehive/errors.ts';
import { isBits, ModbusException, readAnswer, readRequest, type Space } from '../frames.ts';

export interface Place {
  readonly space: Space;
  readonly address: number;
  /** 0 to 65535, or 0 and 1. */
  readonly value: number;
}

export interface TableScan {
  readonly places: readonly Place[];
  /** Why not all was seen. */
  readonly remark?: string;
}

/** One exchange with the unit; rejects with DEVICE_UNREACHABLE when it does not answer. */
export type Ask = (pdu: Uint8Array) => Promise<Uint8Array>;

const ILLEGAL_FUNCTION = 1;
/** Registers and bits that are asked for at once: small devices do not take the 125 and 2000 of the standard. */
const BLOCK = { registers: 60, bits: 240 } as const;
/** A table full of holes would take a request for each address. */
const MOST_REQUESTS = 150;
const MOST_UNANSWERED = 2;
const FEW = 8;

/** What of `count` addresses from `first` the unit answers. Rejects with the signal's reason only. */
export async function scanTable(ask: Ask, { space, first, count }: { space: Space; first: number; count: number }): Promise<TableScan> {
  const places: Place[] = [];
  const block = isBits(space) ? BLOCK.bits : BLOCK.registers;
  const open: { address: number; count: number }[] = [];
  for (let address = first; address < first + count; address += block)
    open.push({ address, count: Math.min(block, first + count - address) });
  open.reverse();
  let unanswered = 0;
  for (let requests = 0; ; requests++) {
    const range = open.pop();
    if (range === undefined) return { places };
    if (requests >= MOST_REQUESTS)
      return { places, remark: `${space} from ${range.address} on was not asked: the table is full of holes, name --addresses` };
    try {
      const request = readRequest({ space, ...range });
      places.push(...placesIn(space, range, readAnswer(request, await ask(request))));
    } catch (error) {
      if (error instanceof ModbusException) {
        // None of it is there: then there is no such table.
        if (error.exception === ILLEGAL_FUNCTION) return { places };
        if (range.count > 1) open.push(...partsOf(range).reverse());
      } else if (isHiveletError(error, 'DEVICE_UNREACHABLE')) {
        if (++unanswered < MOST_UNANSWERED) open.push(range);
        else return { places, remark: `${space} from ${range.address} on was not answered` };
      } else throw error;
    }
  }
}

/** Halves; a few are asked for one by one, which takes fewer requests than halving them on. */
function partsOf({ address, count }: { address: number; count: number }): { address: number; count: number }[] {
  if (count <= FEW) return Array.from({ length: count }, (_, index) => ({ address: address + index, count: 1 }));
  const half = Math.ceil(count / 2);
  return [
    { address, count: half },
    { address: address + half, count: count - half },
  ];
}

function placesIn(space: Space, { address, count }: { address: number; count: number }, data: Uint8Array): Place[] {
  return Array.from({ length: count }, (_, index) => ({
    space,
    address: address + index,
    value: isBits(space) ? ((data[index >> 3] ?? 0) >> (index & 7)) & 1 : ((data[index * 2] ?? 0) << 8) | (data[index * 2 + 1] ?? 0),
  }));
}
