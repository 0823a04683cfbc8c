/** Owns what the status of a Node is to say: what the node sent, and the Ready condition by the cloud's clock. Pure. */
import { fieldsOf, listOf } from '#device-models/fields.ts';
import type { KubeObject } from '../store/kube-api.ts';
import type { Readiness } from './readiness.ts';

export { EDGE_LABEL } from './node-registration.ts';

type Fields = Record<string, unknown>;

/** What a node said of itself; both parts are content of its messages, checked to be objects only. */
export interface NodeWord {
  /** The Node of its registration. */
  registration?: Fields;
  /** Node.status of its last status message. */
  status?: Fields;
}

/** An unchanged status is written so often, so that its heartbeat times show that the node lives. */
export const HEARTBEAT_MS = 5 * 60_000;

/** Content of `nodestatus` insert (a Node) and update (`{UID, Status, ExtendResources}`); undefined when it is neither. */
export function readNodeWord(content: Fields, operation: string): NodeWord | undefined {
  if (operation === 'insert') {
    const status = fieldsOf(content['status']);
    return fieldsOf(content['metadata']) === undefined ? undefined : { registration: content, ...(status === undefined ? {} : { status }) };
  }
  const status = fieldsOf(content['Status']) ?? fieldsOf(content['status']);
  return status === undefined ? undefined : { status };
}

/** Status of the Ready condition; undefined while there is none. */
export function readyStatus(node: KubeObject): string | undefined {
  const status = conditionsOf(fieldsOf(node['status']) ?? {}).find(isReady)?.['status'];
  return typeof status === 'string' ? status : undefined;
}

/**
 * The merge patch of the status; undefined when only heartbeat times would change and the last of them is not `HEARTBEAT_MS` old.
 * The Ready condition is ours: the node may say that it is not Ready, but not that it is while it is silent.
 */
export function statusPatch(
  node: KubeObject,
  { word, readiness, now }: { word: NodeWord; readiness: Readiness; now: number },
): { status: Fields } | undefined {
  const present = fieldsOf(node['status']) ?? {};
  const before = conditionsOf(present);
  const { conditions: _said, ...said } = word.status ?? {};
  const conditions = mergedConditions(before, { word, readiness, now });
  const changed = changedFields(present, said);
  const sameConditions = JSON.stringify(before.map(withoutHeartbeat)) === JSON.stringify(conditions.map(withoutHeartbeat));
  const beaten = Date.parse(textOf(before.find(isReady)?.['lastHeartbeatTime']));
  const due = readiness === 'ready' && !(now - beaten < HEARTBEAT_MS);
  if (Object.keys(changed).length === 0 && sameConditions && !due) return undefined;
  return { status: { ...changed, conditions } };
}

function mergedConditions(before: Fields[], { word, readiness, now }: { word: NodeWord; readiness: Readiness; now: number }): Fields[] {
  const time = timeText(now);
  const said = conditionsOf(word.status ?? {});
  const ours = new Map(said.map((condition) => [condition['type'], condition]));
  const ready = readyCondition({ before: before.find(isReady), said: ours.get('Ready'), readiness });
  const wanted = new Map<unknown, Fields>();
  for (const condition of before) wanted.set(condition['type'], condition);
  for (const condition of said) if (!isReady(condition)) wanted.set(condition['type'], condition);
  if (ready !== undefined) wanted.set('Ready', ready);
  return [...wanted.values()].map((condition) => {
    const last = before.find(({ type }) => type === condition['type']);
    const since = last?.['status'] === condition['status'] ? last?.['lastTransitionTime'] : undefined;
    const alive = readiness === 'ready' && (isReady(condition) || ours.has(condition['type']));
    return {
      ...condition,
      lastHeartbeatTime: alive ? time : (last?.['lastHeartbeatTime'] ?? time),
      lastTransitionTime: since ?? time,
    };
  });
}

function readyCondition(from: { before: Fields | undefined; said: Fields | undefined; readiness: Readiness }): Fields | undefined {
  const { before, said, readiness } = from;
  const base = { type: 'Ready' };
  if (readiness === 'unsaid') return before;
  if (readiness === 'lost') {
    // The words of Kubernetes' own node controller.
    return { ...base, status: 'Unknown', reason: 'NodeStatusUnknown', message: 'The node has stopped sending: no frame for 40 s.' };
  }
  // What it said when it was there before counts again only if it says it again.
  if (said !== undefined && said['status'] !== 'True') return { ...base, ...pick(said, ['status', 'reason', 'message']) };
  return { ...base, status: 'True', reason: 'EdgeReady', message: textOf(said?.['message']) || 'edge is posting ready status' };
}

/** Top-level fields that differ; the API keeps what the node does not mention. */
export function changedFields(present: Fields, said: Fields): Fields {
  return Object.fromEntries(
    Object.entries(said).filter(([key, value]) => value !== null && !isEmpty(value) && !sameJson(present[key], value)),
  );
}

/** Go writes empty lists and maps where it has nothing to say. */
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** Deep equality; the order of keys does not count. A missing field of `said` is no difference (an API may fill in defaults). */
function sameJson(present: unknown, said: unknown): boolean {
  const fields = fieldsOf(said);
  if (fields !== undefined) {
    const other = fieldsOf(present);
    return other !== undefined && Object.entries(fields).every(([key, value]) => isEmpty(value) || sameJson(other[key], value));
  }
  if (Array.isArray(said)) {
    return Array.isArray(present) && present.length === said.length && said.every((item, index) => sameJson(present[index], item));
  }
  return present === said;
}

function conditionsOf(status: Fields): Fields[] {
  return listOf(status['conditions']).flatMap((entry) => {
    const fields = fieldsOf(entry);
    return typeof fields?.['type'] === 'string' && typeof fields['status'] === 'string' ? [fields] : [];
  });
}

function isReady(condition: Fields): boolean {
  return condition['type'] === 'Ready';
}

function withoutHeartbeat({ lastHeartbeatTime: _beat, ...rest }: Fields): Fields {
  return Object.fromEntries(Object.entries(rest).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function pick(from: Fields, keys: readonly string[]): Fields {
  return Object.fromEntries(keys.flatMap((key) => (typeof from[key] === 'string' ? [[key, from[key]]] : [])));
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
