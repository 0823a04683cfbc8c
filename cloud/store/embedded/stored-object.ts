/** Owns one object as the server keeps it: its JSON text, and beside it what selectors and lists need without parsing. */
import type { KubeObject, OwnerReference } from '../kube-api.ts';
import { dig, isRecord } from './json-value.ts';
import { managersText, packManagers, unpackManagers } from './managed-fields/packed.ts';
import type { PackedManager } from './managed-fields/packed.ts';

/**
 * Immutable. The text begins with `{"apiVersion":"<stored version>",`, so that another served version is a new beginning
 * before the same rest. Parsed objects are not kept: a text takes a third of their memory, and parsing 2 KB takes 10 µs.
 */
export interface StoredObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly revision: number;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly owners: readonly OwnerReference[] | undefined;
  /** It has a deletionTimestamp: finalizers, a grace period or contents are waited for. */
  readonly deleting: boolean;
  /** Without managedFields: few want them, and they are as long as the rest. */
  readonly text: string;
  /** Where they belong in the text: behind the other metadata. */
  readonly metadataEnd: number;
  readonly managers: readonly PackedManager[];
}

/** Changes `object`: sets its revision (a dry run has none). The caller gives it away. */
export function storeObject(object: KubeObject, revision: number | undefined): StoredObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  if (revision !== undefined) metadata.resourceVersion = String(revision);
  const { managedFields = [], ...shown } = metadata;
  const head = JSON.stringify({ apiVersion, kind, metadata: shown });
  const body = JSON.stringify(rest);
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid ?? '',
    revision: revision ?? 0,
    labels: metadata.labels,
    owners: metadata.ownerReferences,
    deleting: metadata.deletionTimestamp !== undefined,
    text: body === '{}' ? head : `${head.slice(0, -1)},${body.slice(1)}`,
    metadataEnd: head.length - 2,
    managers: packManagers(managedFields),
  };
}

/** A row of the database; throws where it is not an object of ours. */
export function restoreObject({ body, managers }: { body: string; managers: readonly PackedManager[] }): StoredObject {
  const object = JSON.parse(body) as KubeObject;
  if (!isRecord(object) || typeof dig(object, 'metadata', 'name') !== 'string') throw new Error('not a Kubernetes object');
  if (managers.length > 0) delete object.metadata.managedFields;
  const stored = storeObject(object, Number(object.metadata.resourceVersion));
  return managers.length > 0 ? { ...stored, managers } : stored;
}

/** A fresh copy that the caller may change but for the sets in its managedFields, in the version in which it was stored. */
export function copyOf(stored: StoredObject): KubeObject {
  return withManagers(JSON.parse(stored.text) as KubeObject, stored);
}

/** The same in the given served version. */
export function parseObject(stored: StoredObject, apiVersion: string): KubeObject {
  return withManagers(parseContent(stored, apiVersion), stored);
}

/** The same without managedFields, for readers: not to be stored. */
export function parseContent(stored: StoredObject, apiVersion: string): KubeObject {
  const object = JSON.parse(stored.text) as KubeObject;
  object.apiVersion = apiVersion;
  return object;
}

function withManagers(object: KubeObject, { managers }: StoredObject): KubeObject {
  if (managers.length > 0) object.metadata.managedFields = unpackManagers(managers);
  return object;
}

/** All of it. */
export function fullText({ text, metadataEnd, managers }: StoredObject): string {
  if (managers.length === 0) return text;
  return `${text.slice(0, metadataEnd)},"managedFields":${managersText(managers)}${text.slice(metadataEnd)}`;
}

/** Characters that this version of an object has for itself. */
export function weightOf({ text, managers }: StoredObject, previous: StoredObject | undefined): number {
  const shared = previous?.managers ?? [];
  const own = managers.filter(({ fields }) => !shared.some((each) => each.fields === fields));
  return own.reduce((sum, { fields }) => sum + fields.length, text.length);
}

/** The JSON text in the given served version. */
export function textIn(stored: StoredObject, apiVersion: string): string {
  const text = fullText(stored);
  const start = `{"apiVersion":"${apiVersion}"`;
  if (text.startsWith(start)) return text;
  return start + text.slice(text.indexOf('"', '{"apiVersion":"'.length) + 1);
}

export function keyIn(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
