/** Owns `metadata`: what the server sets, what a writer may change, and the rules for names and labels. */
import type { KubeObject, ObjectMeta, OwnerReference, StatusCause } from '../kube-api.ts';
import { isRecord, own, setOwn } from './json-value.ts';
import type { Kind } from './kinds/kind.ts';
import { forbiddenField, invalidValue, required } from './status.ts';

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const NAME_PART = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const MOST_ANNOTATION_BYTES = 256 * 1024;

const SUBDOMAIN_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an " +
  "alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric " +
  "character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_RULE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an " +
  "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
/** The form, the text of its refusal, the longest length. */
const NAME_RULES: Record<Kind['nameRule'], readonly [RegExp, string, number]> = {
  subdomain: [SUBDOMAIN, SUBDOMAIN_RULE, 253],
  label: [LABEL, LABEL_RULE, 63],
  label1035: [/^[a-z]([-a-z0-9]*[a-z0-9])?$/, LABEL_1035_RULE, 63],
  path: [/^(?!\.{1,2}$)[^/%]+$/, "may not be '.' or '..', nor contain '/' or '%'", 253],
};
const NAME_PART_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. " +
  "'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
  "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is " +
  "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** Letters and digits that a generated name may have, as in Kubernetes: no vowels, nothing that looks alike. */
const SUFFIX_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

export function generateName(base: string, random: () => number): string {
  let name = base.slice(0, 58);
  for (let count = 0; count < 5; count += 1) name += SUFFIX_LETTERS[Math.floor(random() * SUFFIX_LETTERS.length)] ?? 'x';
  return name;
}

/** Of old releases: never stored. */
const OF_NO_USE = new Set(['selfLink', 'clusterName']);

/** Removes what has no meaning when empty, null or ours to keep. Changes `metadata`. */
export function tidyMetadata(metadata: object): void {
  for (const [key, value] of Object.entries(metadata) as [string, unknown][]) {
    if (isRecord(value) && (key === 'labels' || key === 'annotations')) nullsToTexts(value);
    const empty = (Array.isArray(value) && value.length === 0) || (isRecord(value) && Object.keys(value).length === 0);
    if (value === null || value === '' || empty || OF_NO_USE.has(key)) Reflect.deleteProperty(metadata, key);
  }
}

/** Go's reader makes an empty text of null where only texts may be. */
export function nullsToTexts(texts: Record<string, unknown>): void {
  for (const [key, text] of Object.entries(texts)) if (text === null) setOwn(texts, key, '');
}

/** Texts of a map, lists of texts: what would break every reader is refused before anything else. Undefined when fine. */
export function metadataTypeFault(metadata: unknown): string | undefined {
  if (!isRecord(metadata)) return `json: cannot unmarshal ${goTypeOf(metadata)} into Go value of type v1.ObjectMeta`;
  const wrong = (key: string, value: unknown, type: string): string =>
    `json: cannot unmarshal ${goTypeOf(value)} into Go struct field ObjectMeta.${key} of type ${type}`;
  for (const key of ['name', 'namespace', 'generateName', 'uid', 'resourceVersion']) {
    const value = own(metadata, key);
    if (value !== undefined && value !== null && typeof value !== 'string') return wrong(key, value, 'string');
  }
  for (const key of ['labels', 'annotations']) {
    const value = own(metadata, key);
    if (value === undefined || value === null) continue;
    if (!isRecord(value)) return wrong(key, value, 'map[string]string');
    const odd = Object.values(value).find((text) => typeof text !== 'string' && text !== null);
    if (odd !== undefined) return wrong(key, odd, 'string');
  }
  for (const key of ['finalizers', 'ownerReferences']) {
    const value = own(metadata, key);
    if (value === undefined || value === null) continue;
    const item = key === 'finalizers' ? 'string' : 'v1.OwnerReference';
    if (!Array.isArray(value)) return wrong(key, value, `[]${item}`);
    const odd = (value as unknown[]).find((each) => (key === 'finalizers' ? typeof each !== 'string' : !isRecord(each)));
    if (odd !== undefined) return wrong(key, odd, item);
  }
  return undefined;
}

/** As Go's reader names what it finds in JSON. */
function goTypeOf(value: unknown): string {
  if (typeof value === 'boolean') return 'bool';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** The server's own fields, taken from `previous` whatever the body says. */
export function keepServerFields(metadata: ObjectMeta, previous: ObjectMeta): void {
  for (const key of [
    'uid',
    'creationTimestamp',
    'generation',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'resourceVersion',
  ] as const) {
    if (previous[key] === undefined) delete metadata[key];
    else Object.assign(metadata, { [key]: previous[key] });
  }
  if (previous.generateName !== undefined) metadata.generateName ??= previous.generateName;
}

export function checkMetadata(kind: Kind, object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const { metadata } = object;
  return [
    ...(previous === undefined ? checkName(kind, metadata) : []),
    ...foundOften(kind, checkOfEveryKind(kind, metadata), previous !== undefined),
    ...checkFinalizers(metadata, previous?.metadata),
    ...(kind.custom ? [] : checkFinalizerNames(metadata.finalizers ?? [])),
  ];
}

function checkOfEveryKind(kind: Kind, metadata: ObjectMeta): StatusCause[] {
  return [
    ...checkLabelKeys(metadata.labels ?? {}),
    ...(kind.freeLabelValues ? [] : checkLabelValues(metadata.labels ?? {})),
    ...checkAnnotations(metadata.annotations ?? {}),
    ...checkOwners(metadata.ownerReferences ?? []),
  ];
}

/** The real server finds it in a changed object with its common rules, old and new, and again with those of the kind. */
function foundOften(kind: Kind, causes: StatusCause[], changed: boolean): StatusCause[] {
  if (!changed) return causes;
  return Array.from({ length: kind.custom ? 3 : 4 }, () => causes).flat();
}

function checkName(kind: Kind, { name, generateName: base = '' }: ObjectMeta): StatusCause[] {
  const causes =
    base === '' ? [] : nameFaults(kind, base.replace(/-$/, 'a')).map((why) => invalidValue('metadata.generateName', base, why));
  if (name === '') return [...causes, required('metadata.name', 'name or generateName is required')];
  return [...causes, ...nameFaults(kind, name).map((why) => invalidValue('metadata.name', name, why))];
}

function nameFaults(kind: Kind, name: string): string[] {
  const [rule, text, longest] = NAME_RULES[kind.nameRule];
  return [...(name.length > longest ? [`must be no more than ${longest} characters`] : []), ...(rule.test(name) ? [] : [text])];
}

function checkLabelKeys(labels: Record<string, string>): StatusCause[] {
  return Object.keys(labels).flatMap((key) => checkQualifiedName(key, 'metadata.labels'));
}

function checkLabelValues(labels: Record<string, string>): StatusCause[] {
  return Object.values(labels).flatMap((value) => {
    if (!LABEL_VALUE.test(value)) return [invalidValue('metadata.labels', value, LABEL_VALUE_RULE)];
    return value.length > 63 ? [invalidValue('metadata.labels', value, 'must be no more than 63 characters')] : [];
  });
}

/** What is let through here but would be refused by a cluster. */
export function labelWarnings(kind: Kind, { labels = {} }: ObjectMeta): string[] {
  if (!kind.freeLabelValues || checkLabelValues(labels).length === 0) return [];
  const keys = Object.keys(labels).filter((key) => checkLabelValues({ [key]: labels[key] ?? '' }).length > 0);
  return [`metadata.labels: a cluster would refuse the text of ${keys.join(', ')}: at most 63 letters, digits, '-', '_' and '.'`];
}

function checkAnnotations(annotations: Record<string, string>): StatusCause[] {
  const causes = Object.keys(annotations).flatMap((key) => checkQualifiedName(key.toLowerCase(), 'metadata.annotations'));
  let size = 0;
  for (const [key, value] of Object.entries(annotations)) size += key.length + value.length;
  if (size > MOST_ANNOTATION_BYTES) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: `Too long: must have at most ${MOST_ANNOTATION_BYTES} bytes`,
      field: 'metadata.annotations',
    });
  }
  return causes;
}

/** `prefix/name`: an optional domain, and a name of at most 63 characters. */
function checkQualifiedName(key: string, path: string): StatusCause[] {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2) return [invalidValue(path, key, "a qualified name must consist of a name and an optional prefix with '/'")];
  const causes: StatusCause[] = [];
  if (parts.length === 2 && !SUBDOMAIN.test(parts[0] ?? '')) causes.push(invalidValue(path, key, `prefix part ${SUBDOMAIN_RULE}`));
  if (!NAME_PART.test(name)) causes.push(invalidValue(path, key, NAME_PART_RULE));
  else if (name.length > 63) causes.push(invalidValue(path, key, 'name part must be no more than 63 characters'));
  return causes;
}

function checkOwners(owners: readonly OwnerReference[]): StatusCause[] {
  const path = 'metadata.ownerReferences';
  const causes = owners.flatMap((owner) => {
    const { apiVersion, kind, name, uid } = owner;
    const missing = (field: string, value: unknown, what = field): StatusCause[] =>
      typeof value === 'string' && value !== '' ? [] : [invalidValue(`${path}.${field}`, value ?? '', `${what} must not be empty`)];
    return [
      ...missing('apiVersion', apiVersion, 'version'),
      ...missing('kind', kind),
      ...missing('name', name),
      ...missing('uid', uid),
      ...(apiVersion === 'v1' && kind === 'Event' ? [invalidValue(path, '/v1, Kind=Event', 'is disallowed from being an owner')] : []),
    ];
  });
  const controllers = owners.filter(({ controller }) => controller === true).map(({ name }) => name);
  if (controllers.length > 1) {
    const why = `Only one reference can have Controller set to true. Found "true" in references for ${controllers.slice(0, 2).join(' and ')}`;
    causes.push(invalidValue(path, '<list>', why));
  }
  return causes;
}

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];

/** Those of built-in kinds have a domain or are Kubernetes' own. */
function checkFinalizerNames(finalizers: readonly string[]): StatusCause[] {
  return finalizers.flatMap((each, index) =>
    each.includes('/') || STANDARD_FINALIZERS.includes(each)
      ? []
      : [invalidValue(`metadata.finalizers[${index}]`, each, 'name is neither a standard finalizer name nor is it fully qualified')],
  );
}

function checkFinalizers(metadata: ObjectMeta, previous: ObjectMeta | undefined): StatusCause[] {
  const finalizers = metadata.finalizers ?? [];
  const causes = finalizers
    .filter((each) => typeof each !== 'string' || !/^[A-Za-z0-9./_-]+$/.test(each))
    .map((each) => invalidValue('metadata.finalizers', each, NAME_PART_RULE));
  if (previous?.deletionTimestamp === undefined) return causes;
  const added = finalizers.filter((each) => !(previous.finalizers ?? []).includes(each));
  if (added.length > 0) {
    const found = `[]string{${added.map((each) => JSON.stringify(each)).join(', ')}}`;
    const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${found}`;
    // The real server finds it with its common rules and again with those of the kind.
    causes.push(forbiddenField('metadata.finalizers', why), forbiddenField('metadata.finalizers', why));
  }
  return causes;
}
