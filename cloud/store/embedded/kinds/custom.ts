/** Owns the kinds that a CustomResourceDefinition makes: one for each served version. */
import type { KubeObject } from '../../kube-api.ts';
import { dig, isRecord, listAt, own, textAt } from '../json-value.ts';
import type { Schema } from '../schema/schema.ts';
import { customColumns, readFallbacks } from './columns.ts';
import type { DeclaredColumn } from './columns.ts';
import { VERBS } from './kind.ts';
import type { Kind, ScalePaths } from './kind.ts';

/** Annotation of a definition whose objects were published with labels that no cluster takes. */
const LABEL_VALUES = 'hivelet.dev/label-values';
/** Annotation with further paths of printer columns; see `readFallbacks`. */
const COLUMN_FALLBACKS = 'hivelet.dev/column-fallbacks';

/** `crd` has passed `checkCrd`. */
export function kindsOf(crd: KubeObject): Kind[] {
  const spec = crd['spec'];
  const group = textAt(spec, 'group');
  const plural = textAt(spec, 'names', 'plural');
  const shared = {
    group,
    plural,
    singular: textAt(spec, 'names', 'singular'),
    kind: textAt(spec, 'names', 'kind'),
    listKind: textAt(spec, 'names', 'listKind'),
    namespaced: textAt(spec, 'scope') === 'Namespaced',
    shortNames: texts(dig(spec, 'names', 'shortNames')),
    categories: texts(dig(spec, 'names', 'categories')),
    resource: `${plural}.${group}`,
    custom: true,
    counts: true,
    persistence: 'now',
    createOnUpdate: false,
    verbs: VERBS,
    nameRule: 'subdomain',
    terminating: crd.metadata.deletionTimestamp !== undefined,
    freeLabelValues: crd.metadata.annotations?.[LABEL_VALUES] === 'free-text',
    fields: new Map(),
  } as const;
  const fallbacks = readFallbacks(crd.metadata.annotations?.[COLUMN_FALLBACKS]);
  return listAt(spec, 'versions')
    .filter((version) => own(version, 'served') === true)
    .map((version): Kind => {
      const scale = dig(version, 'subresources', 'scale');
      return {
        ...shared,
        version: textAt(version, 'name'),
        hasStatus: isRecord(dig(version, 'subresources', 'status')),
        ...(isRecord(scale) ? { scale: scalePaths(scale) } : {}),
        schema: dig(version, 'schema', 'openAPIV3Schema') as Schema,
        columns: customColumns(listAt(version, 'additionalPrinterColumns') as DeclaredColumn[], fallbacks),
      };
    });
}

function scalePaths(scale: unknown): ScalePaths {
  const labelSelectorPath = textAt(scale, 'labelSelectorPath');
  return {
    specReplicasPath: textAt(scale, 'specReplicasPath'),
    statusReplicasPath: textAt(scale, 'statusReplicasPath'),
    ...(labelSelectorPath === '' ? {} : { labelSelectorPath }),
  };
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? (value as unknown[]).filter((item) => typeof item === 'string') : [];
}
