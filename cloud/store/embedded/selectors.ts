/** Owns the text form of field selectors. */
import { badRequest } from './status.ts';

export interface FieldRequirement {
  field: string;
  value: string;
  equal: boolean;
}

/** `a=b,c!=d`; an empty value is legal. Throws 400. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  if (text.trim() === '') return [];
  return text.split(',').map((part) => {
    const found = /^([^=!]+?)(!=|==|=)(.*)$/.exec(part.trim());
    if (found === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part.trim()}'`);
    return { field: found[1] ?? '', equal: found[2] !== '!=', value: found[3] ?? '' };
  });
}
