/** Owns `metadata`: what the server sets, what a writer may change, and the rules for names and labels. */
import type { KubeObject, ObjectMeta, OwnerReference, StatusCause } from '../kube-api.ts';
import { isRecord, own } from './json-value.ts';
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

/** Removes what has no meaning when empty, null or ours to keep. Changes `metadata`. */
export function tidyMetadata(metadata: object): void {
  for (const [key, value] of Object.entries(metadata) as [string, unknown][]) {
    const empty = (Array.isArray(value) && value.length === 0) || (isRecord(value) && Object.keys(value).length === 0);
    if (value === null || value === '' || empty || key === 'selfLink') Reflect.deleteProperty(metadata, key);
  }
}

/** Texts of a map, lists of texts: what would break every reader is refused before anything else. Undefined when fine. */
export function metadataTypeFault(metadata: unknown): string | undefined {
  if (!isRecord(metadata)) return 'metadata must be an object';
  for (const key of ['name', 'namespace', 'generateName', 'uid', 'resourceVersion']) {
    const value = own(metadata, key);
    if (value !== undefined && value !== null && typeof value !== 'string') return `metadata.${key} must be a string`;
  }
  for (const key of ['labels', 'annotations']) {
    const value = own(metadata, key);
    if (value === undefined || value === null) continue;
    if (!isRecord(value)) return `metadata.${key} must be an object`;
    const wrong = Object.entries(value).find(([, text]) => typeof text !== 'string');
    if (wrong !== undefined) return `metadata.${key}.${wrong[0]} must be a string`;
  }
  for (const key of ['finalizers', 'ownerReferences']) {
    const value = own(metadata, key);
    if (value === undefined || value === null) continue;
    if (!Array.isArray(value)) return `metadata.${key} must be a list`;
    if (key === 'ownerReferences' && !value.every(isRecord)) return `metadata.${key} must be a list of objects`;
  }
  return undefined;
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
    ...checkLabelKeys(metadata.labels ?? {}),
    ...(kind.freeLabelValues ? [] : checkLabelValues(metadata.labels ?? {})),
    ...checkAnnotations(metadata.annotations ?? {}),
    ...checkFinalizers(metadata, previous?.metadata),
    ...checkOwners(metadata.ownerReferences ?? []),
  ];
}

function checkName(kind: Kind, { name }: ObjectMeta): StatusCause[] {
  if (name === '') return [required('metadata.name', 'name or generateName is required')];
  const [rule, text, longest] = NAME_RULES[kind.nameRule];
  if (!rule.test(name)) return [invalidValue('metadata.name', name, text)];
  return name.length > longest ? [invalidValue('metadata.name', name, `must be no more than ${longest} characters`)] : [];
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
