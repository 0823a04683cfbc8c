/** Owns defaults and checks of the built-in kinds that are worth having here. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { dig, isRecord, listAt, own, setOwn } from '../json-value.ts';
import { deepEqual } from '../json-value.ts';
import { forbiddenField, invalidValue, required } from '../status.ts';
import { checkQuantities, ensureRecord } from './checks.ts';

const MOST_BYTES = 1024 * 1024;
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
  return ['capacity', 'allocatable'].flatMap((part) => checkQuantities(dig(object, 'status', part), `status.${part}`));
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
  const account = 'kubernetes.io/service-account.name';
  if (object['type'] === 'kubernetes.io/service-account-token' && (object.metadata.annotations?.[account] ?? '') === '')
    causes.push(required(`metadata.annotations[${account}]`));
  return causes;
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
      if (!CONFIG_KEY.test(key)) causes.push(invalidValue(`${part}[${key}]`, key, BAD_KEY));
      bytes += Buffer.byteLength(key) + (typeof value === 'string' ? Buffer.byteLength(value) : 0);
    }
  }
  if (bytes > MOST_BYTES)
    causes.push({ reason: 'FieldValueTooLong', message: `Too long: must have at most ${MOST_BYTES} bytes`, field: '[]' });
  return causes;
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
