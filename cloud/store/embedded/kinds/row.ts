/** Owns the form of a row of the built-in kinds: what differs from an ordinary namespaced kind. */
import type { KubeObject } from '../../kube-api.ts';
import { textAt } from '../json-value.ts';
import type { Kind } from './kind.ts';

/** Either a schema of its own, or the name of a definition. */
export type Row = Pick<Kind, 'plural' | 'kind' | 'columns'> & Partial<Kind>;
export type FieldRow = [string, (object: KubeObject) => string];

export const field =
  (...path: string[]) =>
  (object: KubeObject): string =>
    textAt(object, ...path);
