/** Owns defaults and checks of the built-in kinds that are worth having here. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { deepEqual, dig, isRecord, listAt, own, setOwn, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { forbiddenField, invalidValue, required } from '../status.ts';
import { checkOneOf, checkQuantities, duplicate, ensureRecord, recordsAt } from './checks.ts';

const MOST_BYTES = 1024 * 1024;
const TAINT_EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;

export function prepareNamespace(object: KubeObject, previous: KubeObject | undefined): void {
  const status = ensureRecord(object, 'status');
  if (previous === undefined || own(status, 'phase') === undefined) status['phase'] = 'Active';
  if (previous === undefined) {
    // Taken away when the contents are gone.
    const spec = ensureRecord(object, 'spec');
    const finalizers = listAt(spec, 'finalizers');
    if (!finalizers.includes('kubernetes')) spec['finalizers'] = [...finalizers, 'kubernetes'];
  }
  object.metadata.labels = { ...object.metadata.labels, 'kubernetes.io/metadata.name': object.metadata.name };
}

export function prepareNode(object: KubeObject): void {
  ensureRecord(object, 'spec');
  const status = ensureRecord(object, 'status');
  if (status['capacity'] !== undefined && status['allocatable'] === undefined) status['allocatable'] = status['capacity'];
}

export function checkNode(object: KubeObject): StatusCause[] {
  return [
    ...['capacity', 'allocatable'].flatMap((part) => checkQuantities(dig(object, 'status', part), `status.${part}`)),
    ...checkTaints(recordsAt(own(object, 'spec'), 'taints')),
  ];
}

function checkTaints(taints: readonly JsonRecord[]): StatusCause[] {
  const seen = new Set<string>();
  return taints.flatMap((taint, index) => {
    const at = `spec.taints[${index}]`;
    const [key, effect] = [textAt(taint, 'key'), textAt(taint, 'effect')];
    const causes = checkOneOf(effect === '' ? ' ' : effect, `${at}.effect`, TAINT_EFFECTS);
    if (key === '') causes.push(invalidValue(`${at}.key`, key, 'name part must be non-empty'));
    const both = `${key}:${effect}`;
    if (seen.has(both)) causes.push(duplicate(at, both));
    seen.add(both);
    return causes;
  });
}

export function checkConfigMap(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  return [...checkKeys(object, ['data', 'binaryData']), ...checkImmutable(object, previous)];
}

export function prepareSecret(object: KubeObject): void {
  const texts = object['stringData'];
  if (isRecord(texts)) {
    const data = ensureRecord(object, 'data');
    for (const [key, text] of Object.entries(texts)) setOwn(data, key, Buffer.from(text as string).toString('base64'));
  }
  delete object['stringData'];
  object['type'] ??= 'Opaque';
}

export function checkSecret(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const causes = [...checkKeys(object, ['data']), ...checkImmutable(object, previous)];
  if (previous !== undefined && previous['type'] !== object['type'])
    causes.push(invalidValue('type', object['type'], 'field is immutable'));
  return [...causes, ...checkSecretContent(object)];
}

/** What a secret of a known type must have; of each group one is enough. */
const SECRET_KEYS = new Map<unknown, readonly (readonly string[])[]>([
  ['kubernetes.io/tls', [['tls.crt'], ['tls.key']]],
  ['kubernetes.io/dockerconfigjson', [['.dockerconfigjson']]],
  ['kubernetes.io/dockercfg', [['.dockercfg']]],
  ['kubernetes.io/ssh-auth', [['ssh-privatekey']]],
  ['kubernetes.io/basic-auth', [['username', 'password']]],
]);

function checkSecretContent(object: KubeObject): StatusCause[] {
  const groups = SECRET_KEYS.get(object['type']) ?? [];
  const causes = groups
    .filter((keys) => keys.every((key) => own(object['data'], key) === undefined))
    .flatMap((keys) => keys.map((key) => required(`data[${key}]`)));
  const json = ['.dockerconfigjson', '.dockercfg'].find((key) => groups.some((keys) => keys.includes(key))) ?? '';
  const text = own(object['data'], json);
  if (typeof text === 'string' && !isJsonObject(Buffer.from(text, 'base64').toString('utf8'))) {
    causes.push(invalidValue(`data[${json}]`, '<secret contents redacted>', 'must be a JSON object'));
  }
  const account = 'kubernetes.io/service-account.name';
  if (object['type'] === 'kubernetes.io/service-account-token' && (object.metadata.annotations?.[account] ?? '') === '')
    causes.push(required(`metadata.annotations[${account}]`));
  return causes;
}

function isJsonObject(text: string): boolean {
  try {
    return isRecord(JSON.parse(text));
  } catch {
    return false;
  }
}

export function checkLease(object: KubeObject): StatusCause[] {
  const duration = dig(object, 'spec', 'leaseDurationSeconds');
  const transitions = dig(object, 'spec', 'leaseTransitions');
  return [
    ...(typeof duration === 'number' && duration <= 0
      ? [invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
      : []),
    ...(typeof transitions === 'number' && transitions < 0
      ? [invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
      : []),
  ];
}

export function checkEvent(object: KubeObject): StatusCause[] {
  const namespace = dig(object, 'involvedObject', 'namespace') ?? '';
  // Events of cluster-scoped objects live in default.
  const home = namespace === '' ? 'default' : namespace;
  if (home === object.metadata.namespace || (namespace === '' && object.metadata.namespace === 'kube-system')) return [];
  return [invalidValue('involvedObject.namespace', namespace, 'does not match event.namespace')];
}

function checkKeys(object: KubeObject, parts: readonly string[]): StatusCause[] {
  const causes: StatusCause[] = [];
  let bytes = 0;
  for (const part of parts) {
    const entries = object[part];
    if (!isRecord(entries)) continue;
    for (const [key, value] of Object.entries(entries)) {
      const other = parts.find((each) => each !== part && own(object[each], key) !== undefined);
      const faults = [...keyFaults(key), ...(other === undefined ? [] : [`duplicate of key present in ${other}`])];
      causes.push(...faults.map((why) => invalidValue(`${part}[${key}]`, key, why)));
      bytes += Buffer.byteLength(key) + (typeof value === 'string' ? Buffer.byteLength(value) : 0);
    }
  }
  if (bytes > MOST_BYTES)
    causes.push({ reason: 'FieldValueTooLong', message: `Too long: must have at most ${MOST_BYTES} bytes`, field: '[]' });
  return causes;
}

function keyFaults(key: string): string[] {
  const faults: string[] = [];
  if (key.length > 253) faults.push('must be no more than 253 characters');
  if (!CONFIG_KEY.test(key)) faults.push(BAD_KEY);
  if (key === '.' || key === '..') faults.push(`must not be '${key}'`);
  else if (key.startsWith('..')) faults.push("must not start with '..'");
  return faults;
}

const BAD_KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', " +
  "regex used for validation is '[-._a-zA-Z0-9]+')";

function checkImmutable(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  if (previous === undefined || previous['immutable'] !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  const changed = ['data', 'binaryData'].filter((part) => !deepEqual(previous[part] ?? {}, object[part] ?? {}));
  const causes = changed.map((part) => forbiddenField(part, why));
  if (object['immutable'] !== true) causes.push(forbiddenField('immutable', why));
  return causes;
}
