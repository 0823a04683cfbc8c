/** Owns what the server knows of one served kind, built in or from a CustomResourceDefinition. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import type { Persistence } from '../object-store.ts';
import type { Schema } from '../schema/schema.ts';

export interface Column {
  name: string;
  /** OpenAPI type of the cell: string, integer, date, … */
  type: string;
  format: string;
  description: string;
  /** 0 always shown, 1 with `-o wide`. */
  priority: number;
  /** `nowMs` is unix ms, for ages. */
  cell: (object: KubeObject, nowMs: number) => unknown;
}

export interface ScalePaths {
  specReplicasPath: string;
  statusReplicasPath: string;
  labelSelectorPath?: string;
}

/** A path below an object that is not the object itself, as discovery lists it. */
export interface Subresource {
  name: string;
  /** Group, version and kind of the bodies. */
  kind: string;
  group?: string;
  version?: string;
  verbs: readonly string[];
}

export interface Kind {
  group: string;
  version: string;
  plural: string;
  /** '' for built-in kinds, as real discovery has it. */
  singular: string;
  kind: string;
  listKind: string;
  namespaced: boolean;
  shortNames: readonly string[];
  categories: readonly string[];
  /** The name of its objects in the store, the same for all versions: `plural.group`. */
  resource: string;
  /** From a CustomResourceDefinition; these are stricter (kind needed, no unconditional PUT) and have no strategic patch. */
  custom: boolean;
  hasStatus: boolean;
  scale?: ScalePaths;
  /** Beyond status and scale. */
  subresources?: readonly Subresource[];
  verbs: readonly Verb[];
  /** Keeps `metadata.generation`. */
  counts: boolean;
  schema: Schema;
  /** `group/Type` of the published definitions that its schema comes from. */
  definition?: string;
  columns: readonly Column[];
  /** Field selectors beyond metadata.name and metadata.namespace. */
  fields: ReadonlyMap<string, (object: KubeObject) => string>;
  persistence: Persistence;
  /** A DELETE that is done at once answers with the object, not with a Status. */
  returnsDeleted?: boolean;
  /** PUT of an object that does not exist creates it (leases). */
  createOnUpdate: boolean;
  /** `label1035` begins with a letter, `path` is any text that may stand in a path. */
  nameRule: 'subdomain' | 'label' | 'label1035' | 'path';
  /** Its definition is going: nothing new is created. */
  terminating?: boolean;
  /** Label values that break the rules of Kubernetes are warned about, not refused. */
  freeLabelValues: boolean;
  /** Fills defaults, before validation. */
  prepare?: (object: KubeObject, previous: KubeObject | undefined) => void;
  check?: (object: KubeObject, previous: KubeObject | undefined) => StatusCause[];
}

export function groupVersionOf({ group, version }: Pick<Kind, 'group' | 'version'>): string {
  return group === '' ? version : `${group}/${version}`;
}

export const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;
export type Verb = (typeof VERBS)[number];
