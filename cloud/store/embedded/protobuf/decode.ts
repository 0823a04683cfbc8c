/** Owns protobuf bodies of built-in kinds: the frame of Kubernetes, and the message inside as the JSON object that it stands for. */
import { isRecord, own, setOwn } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { badRequest, unsupportedMediaType } from '../status.ts';
import { fieldsOf } from './fields.ts';
import type { Field } from './fields.ts';
import { ProtobufError, readFields } from './wire.ts';

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

const MAGIC = Buffer.from('k8s\0');
/** Kubernetes objects nest about ten deep. */
const DEEPEST = 32;
/** No object has as many; a body that is all tags would fill the memory. */
const MOST_FIELDS = 200_000;
const REMEDY = '; use -f with a file, or --dry-run=client -o yaml piped to kubectl apply -f -';

/** The groups whose messages have rows; their names are unique across these. */
const GROUPS = new Map([
  [
    'v1',
    ['ConfigMap', 'Secret', 'Namespace', 'ServiceAccount', 'Service', 'Endpoints', 'Event', 'Pod', 'Node', 'Binding', 'DeleteOptions'],
  ],
  ['meta.k8s.io/v1', ['DeleteOptions']],
  ['apps/v1', ['Deployment', 'ReplicaSet', 'DaemonSet']],
  ['autoscaling/v1', ['Scale']],
  ['rbac.authorization.k8s.io/v1', ['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']],
  ['authorization.k8s.io/v1', ['SelfSubjectAccessReview', 'SelfSubjectRulesReview', 'SubjectAccessReview', 'LocalSubjectAccessReview']],
  ['authentication.k8s.io/v1', ['SelfSubjectReview', 'TokenRequest']],
  ['policy/v1', ['Eviction', 'PodDisruptionBudget']],
  ['coordination.k8s.io/v1', ['Lease']],
]);

/** The object of a request body. Throws 400 for what is not readable, 415 for kinds that are read as JSON or YAML only. */
export function decodeProtobuf(bytes: Uint8Array): JsonRecord {
  try {
    return decodeFrame(bytes);
  } catch (error) {
    if (error instanceof ProtobufError) throw badRequest(`the protobuf body is not readable: ${error.message}`);
    throw error;
  }
}

function decodeFrame(bytes: Uint8Array): JsonRecord {
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length))) {
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix "k8s\\0"');
  }
  const { apiVersion, kind, raw } = readUnknown(bytes.subarray(MAGIC.length));
  // kubectl writes the options of a deletion in the group of what it deletes.
  const known = kind === 'DeleteOptions' || GROUPS.get(apiVersion)?.includes(kind) === true;
  if (!known) throw notRead(`${kind} of ${apiVersion}`);
  return { apiVersion, kind, ...decodeMessage(kind, raw, { depth: 0, budget: { fields: MOST_FIELDS } }) };
}

function notRead(what: string): Error {
  return unsupportedMediaType(['application/json', 'application/yaml'], ` (${what} is not read from protobuf)${REMEDY}`);
}

function readUnknown(frame: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array();
  for (const { number, value } of readFields(frame)) {
    if (!(value instanceof Uint8Array)) continue;
    if (number === 2) raw = value;
    if (number === 3 && value.length > 0) throw new ProtobufError(`the content encoding ${textOf(value)} is not known`);
    if (number !== 1) continue;
    for (const meta of readFields(value)) {
      if (!(meta.value instanceof Uint8Array)) continue;
      if (meta.number === 1) apiVersion = textOf(meta.value);
      if (meta.number === 2) kind = textOf(meta.value);
    }
  }
  if (kind === '' || apiVersion === '') throw new ProtobufError('it names no kind and version');
  return { apiVersion, kind, raw };
}

interface Level {
  depth: number;
  /** Shared by the whole object. */
  budget: { fields: number };
}

function decodeMessage(message: string, bytes: Uint8Array, level: Level): JsonRecord {
  const fields = fieldsOf(message);
  if (fields === undefined) throw notRead(message);
  if (level.depth > DEEPEST) throw new ProtobufError(`nested deeper than ${DEEPEST} levels`);
  const result: JsonRecord = {};
  for (const { number, value } of readFields(bytes)) {
    level.budget.fields -= 1;
    if (level.budget.fields < 0) throw new ProtobufError(`more than ${MOST_FIELDS} fields`);
    const field = fields.get(number);
    // Fields of later versions are skipped, as every reader of protobuf does.
    if (field !== undefined) put(result, { field, value, level: { ...level, depth: level.depth + 1 } });
  }
  return result;
}

interface Member {
  field: Field;
  value: bigint | Uint8Array;
  level: Level;
}

function put(result: JsonRecord, { field, value, level }: Member): void {
  const { name, shape, type, optional } = field;
  if (shape === 'map') return putEntry(result, { field, value, level });
  const decoded = decodeValue(field, value, level);
  if (name === '*') {
    if (isRecord(decoded)) Object.assign(result, decoded);
  } else if (shape === 'list') {
    const before = own(result, name);
    if (Array.isArray(before)) before.push(decoded);
    else result[name] = [decoded];
  } else if (decoded !== undefined && (optional || !isZero(decoded) || !SCALARS.has(type))) result[name] = decoded;
}

const SCALARS = new Set(['text', 'int', 'bool', 'bytes']);

/** Writers in Go send every plain field, also when it is not set. */
function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false;
}

/** A map is a list of messages: 1 the key, 2 the value. */
function putEntry(result: JsonRecord, { field, value, level }: Member): void {
  let key = '';
  let member: unknown = decodeValue(field, new Uint8Array(), level);
  for (const part of readFields(bytesOf(field, value))) {
    if (part.number === 1) key = textOf(bytesOf(field, part.value));
    if (part.number === 2) member = decodeValue(field, part.value, level);
  }
  const before = own(result, field.name);
  const map: JsonRecord = isRecord(before) ? before : {};
  if (member !== undefined) setOwn(map, key, member);
  result[field.name] = map;
}

/** Undefined for a time that is not set. */
function decodeValue(field: Field, value: bigint | Uint8Array, level: Level): unknown {
  switch (field.type) {
    case 'int':
      return numberOf(field, value);
    case 'bool':
      return numberOf(field, value) !== 0;
    case 'text':
      return textOf(bytesOf(field, value));
    case 'bytes':
      return Buffer.from(bytesOf(field, value)).toString('base64');
    case 'Time':
      return timeOf(bytesOf(field, value), 'seconds');
    case 'MicroTime':
      return timeOf(bytesOf(field, value), 'micros');
    case 'Quantity':
      return textMember(bytesOf(field, value), 1) || '0';
    case 'IntOrString':
      return intOrString(bytesOf(field, value));
    case 'Items':
      return [...readFields(bytesOf(field, value))].map((item) => textOf(bytesOf(field, item.value)));
    default:
      return decodeMessage(field.type, bytesOf(field, value), level);
  }
}

function bytesOf({ name }: Field, value: bigint | Uint8Array): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new ProtobufError(`the field ${name} holds a number`);
}

function numberOf({ name }: Field, value: bigint | Uint8Array): number {
  if (value instanceof Uint8Array) throw new ProtobufError(`the field ${name} holds no number`);
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new ProtobufError(`the field ${name} holds ${value}, which is out of range`);
  return number;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ProtobufError('a text is not UTF-8');
  }
}

function membersOf(bytes: Uint8Array): Map<number, bigint | Uint8Array> {
  return new Map([...readFields(bytes)].map(({ number, value }) => [number, value]));
}

function textMember(bytes: Uint8Array, number: number): string {
  const value = membersOf(bytes).get(number);
  return value instanceof Uint8Array ? textOf(value) : '';
}

function intOrString(bytes: Uint8Array): number | string {
  const members = membersOf(bytes);
  if (members.get(1) === 1n) return textMember(bytes, 3);
  const value = members.get(2);
  return typeof value === 'bigint' ? Number(value) : 0;
}

/** Seconds since 1970 and nanoseconds. */
function timeOf(bytes: Uint8Array, precision: 'seconds' | 'micros'): string | undefined {
  const members = membersOf(bytes);
  const [seconds, nanos] = [members.get(1), members.get(2)];
  if (typeof seconds !== 'bigint') return undefined;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError(`${seconds} seconds are no time`);
  const text = date.toISOString().slice(0, 19);
  if (precision === 'seconds') return `${text}Z`;
  const micros = typeof nanos === 'bigint' ? Number(nanos) / 1000 : 0;
  return `${text}.${String(Math.max(0, Math.min(999_999, Math.trunc(micros)))).padStart(6, '0')}Z`;
}
