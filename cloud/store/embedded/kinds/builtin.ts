/** Owns the list of built-in kinds; a new one is a row in one of the tables that are joined here. */
import { schemaOf } from '../definitions/definitions.ts';
import { coreRows } from './core-rows.ts';
import { groupRows } from './group-rows.ts';
import { reviewRows } from './review-rows.ts';
import { VERBS } from './kind.ts';
import type { Kind } from './kind.ts';
import type { Row } from './row.ts';

const NO_FIELDS: Kind['fields'] = new Map();

export const builtinKinds: readonly Kind[] = [...coreRows, ...groupRows, ...reviewRows].map(kindOf);

/** The schema is made when first asked for. */
function kindOf({ schema, ...row }: Row): Kind {
  const group = row.group ?? '';
  const { definition } = row;
  return {
    group,
    version: 'v1',
    singular: row.kind.toLowerCase(),
    listKind: `${row.kind}List`,
    namespaced: true,
    shortNames: [],
    categories: [],
    resource: group === '' ? row.plural : `${row.plural}.${group}`,
    custom: false,
    hasStatus: false,
    counts: false,
    fields: NO_FIELDS,
    persistence: 'now',
    createOnUpdate: false,
    nameRule: 'subdomain',
    freeLabelValues: false,
    verbs: VERBS,
    ...row,
    get schema() {
      return schema ?? (definition === undefined ? {} : schemaOf(definition));
    },
  };
}
