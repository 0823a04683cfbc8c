/** Owns what a Modbus device says of itself: function 43/14, Read Device Identification (Modbus Application Protocol V1.1b3, 6.21). Pure. */

export interface Identity {
  readonly vendor?: string;
  readonly product?: string;
  readonly revision?: string;
}

const ENCAPSULATED = 0x2b;
const READ_IDENTIFICATION = 0x0e;
const BASIC = 1;
/** Function, kind, code, conformity, more, next, number of objects. */
const HEAD = 7;
const names = ['vendor', 'product', 'revision'] as const;

export const identityRequest: Uint8Array = Uint8Array.from([ENCAPSULATED, READ_IDENTIFICATION, BASIC, 0]);

/** Empty for an exception and for whatever is no such answer. */
export function readIdentity(answer: Uint8Array): Identity {
  if (answer[0] !== ENCAPSULATED || answer[1] !== READ_IDENTIFICATION) return {};
  const found = new Map<(typeof names)[number], string>();
  let at = HEAD;
  for (let index = 0; index < (answer[6] ?? 0); index++) {
    const [id = 0, length = 0] = answer.subarray(at, at + 2);
    const name = names[id];
    const text = Buffer.from(answer.subarray(at + 2, at + 2 + length)).toString('latin1');
    const shown = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
    if (name !== undefined && shown !== '') found.set(name, shown);
    at += 2 + length;
  }
  return Object.fromEntries(found);
}
