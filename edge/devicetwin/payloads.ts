/** Owns reading the JSON payloads of MQTT clients and of the cloud: no payload throws, each fault has KubeEdge's words. */
import { isUtf8 } from 'node:buffer';
import type { MsgAttr, MsgTwin, TwinValue, TwinVersion } from '#wire/device-messages.ts';
import { isRecord } from '#wire/message.ts';
import { readDoubt } from '#wire/quality.ts';
import { readWriteOutcome } from '#wire/write-outcome.ts';

export interface Fault {
  code: 400 | 404 | 500;
  reason: string;
}

export type Read<T> = { ok: true; eventId: string; body: T } | { ok: false; eventId: string; fault: Fault };

export interface ValueRules {
  /** KubeEdge's own character class and 512 bytes (defect T12). */
  strict: boolean;
  /** The sender's times are those of the readings. Otherwise they are ignored: edgecore stamps. */
  times?: boolean;
}

const KEY = /^[a-zA-Z0-9\-_.,:/@#]{1,128}$/;
const STRICT_VALUE = /^[a-zA-Z0-9\-_.,:/@#]{1,512}$/;
/** Longest value text that is stored; a twin is a state, not a file. */
const MAX_VALUE_BYTES = 16 * 1024;

const undecodable = 'Unmarshal update request body failed, please check the request';
const keyReason = 'Only letters, digits and the characters - _ . , : / @ # are allowed in a twin key, and less than 128 bytes';
const strictReason = 'Only letters, digits and the characters - _ . , : / @ # are allowed in a twin value, and less than 512 bytes';
const lengthReason = `a twin value has at most ${String(MAX_VALUE_BYTES)} bytes`;

/** `twin/update` and `cloud_updated` as they come over MQTT. */
export function readTwinUpdate(payload: Buffer, rules: ValueRules): Read<Map<string, MsgTwin | null>> {
  const root = parseObject(payload);
  if (root === undefined) return fault('', 400, undecodable);
  return readTwinBody(root, rules);
}

type Skipped = (key: string, reason: string) => void;

/** The same body, already parsed (from the link). */
export function readTwinBody(root: Record<string, unknown>, rules: ValueRules, skipped?: Skipped): Read<Map<string, MsgTwin | null>> {
  const eventId = eventIdOf(root);
  const twin = pick(root, 'twin');
  if (twin === undefined || twin === null) return fault(eventId, 400, 'Update twin error, key:twin does not exist');
  const twins = readTwins(twin, rules, skipped);
  return typeof twins === 'string' ? fault(eventId, 400, twins) : { ok: true, eventId, body: twins };
}

/**
 * The twin map of an update or of a membership message; a text is the reason why not. With `skipped` a twin that cannot
 * be used is told and left out, the others are taken.
 */
export function readTwins(input: unknown, rules: ValueRules, skipped?: Skipped): Map<string, MsgTwin | null> | string {
  if (!isRecord(input)) return undecodable;
  const twins = new Map<string, MsgTwin | null>();
  for (const [key, value] of Object.entries(input)) {
    const twin = readEntry(key, value, rules);
    if (typeof twin !== 'string') twins.set(key, twin);
    else if (skipped === undefined) return twin;
    else skipped(key, twin);
  }
  return twins;
}

function readEntry(key: string, value: unknown, rules: ValueRules): MsgTwin | null | string {
  if (!KEY.test(key)) return keyReason;
  if (value === null) return null;
  const twin = readTwin(value, rules);
  return twin === undefined ? undecodable : (valueReason(twin.expected?.value, rules) ?? valueReason(twin.actual?.value, rules) ?? twin);
}

function valueReason(value: string | undefined, rules: ValueRules): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (rules.strict) return STRICT_VALUE.test(value) ? undefined : strictReason;
  return Buffer.byteLength(value) > MAX_VALUE_BYTES ? lengthReason : undefined;
}

function readTwin(input: unknown, { times = false }: ValueRules): MsgTwin | undefined {
  if (!isRecord(input)) return undefined;
  const expected = readSide(pick(input, 'expected'), false);
  const actual = readSide(pick(input, 'actual'), times);
  const optional = pick(input, 'optional') ?? undefined;
  const type = readType(pick(input, 'metadata'));
  if (expected === false || actual === false || type === false) return undefined;
  if (optional !== undefined && typeof optional !== 'boolean') return undefined;
  const expectedVersion = readVersion(pick(input, 'expected_version'));
  const actualVersion = readVersion(pick(input, 'actual_version'));
  const write = readWriteOutcome(input['write']);
  const quality = readDoubt(input['quality']);
  return {
    ...(expected === undefined ? {} : { expected }),
    ...(actual === undefined ? {} : { actual }),
    ...(optional === undefined ? {} : { optional }),
    ...(type === undefined ? {} : { metadata: { type } }),
    ...(expectedVersion === undefined ? {} : { expected_version: expectedVersion }),
    ...(actualVersion === undefined ? {} : { actual_version: actualVersion }),
    ...(write === undefined ? {} : { write }),
    ...(quality === undefined ? {} : { quality }),
  };
}

/** Half of a surrogate pair, which JSON can carry and UTF-8 cannot, becomes U+FFFD as in Go: memory holds what the disk gives back. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}

/** undefined: no value on this side (absent, null, `{}`); false: not decodable. */
function readSide(input: unknown, times: boolean): TwinValue | undefined | false {
  if (input === undefined || input === null) return undefined;
  if (!isRecord(input)) return false;
  const value = pick(input, 'value');
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') return false;
  const metadata = times ? input['metadata'] : undefined;
  const timestamp = isRecord(metadata) ? metadata['timestamp'] : undefined;
  return { value: wellFormed(value), ...(typeof timestamp === 'number' && timestamp >= 0 ? { metadata: { timestamp } } : {}) };
}

function readType(metadata: unknown): string | undefined | false {
  if (metadata === undefined || metadata === null) return undefined;
  if (!isRecord(metadata)) return false;
  const type = pick(metadata, 'type');
  if (type === undefined || type === null) return undefined;
  return typeof type === 'string' ? wellFormed(type) : false;
}

function readVersion(input: unknown): TwinVersion | undefined {
  if (!isRecord(input)) return undefined;
  const cloud = pick(input, 'cloud') ?? 0;
  const edge = pick(input, 'edge') ?? 0;
  return Number.isSafeInteger(cloud) && Number.isSafeInteger(edge) ? { cloud: Number(cloud), edge: Number(edge) } : undefined;
}

/** Attributes of a membership or an `updated` message; entries that are none are left out. */
export function readAttributes(input: unknown): Map<string, MsgAttr | null> {
  const attributes = new Map<string, MsgAttr | null>();
  if (!isRecord(input)) return attributes;
  for (const [name, value] of Object.entries(input)) {
    if (value === null) attributes.set(wellFormed(name), null);
    else if (isRecord(value)) {
      const type = readType(value['metadata']);
      attributes.set(wellFormed(name), {
        value: typeof value['value'] === 'string' ? wellFormed(value['value']) : '',
        ...(typeof value['optional'] === 'boolean' ? { optional: value['optional'] } : {}),
        ...(typeof type === 'string' ? { metadata: { type } } : {}),
      });
    }
  }
  return attributes;
}

/** `state/update`. */
export function readState(payload: Buffer): Read<{ state: string; reason?: string }> {
  const root = parseObject(payload);
  if (root === undefined) return fault('', 400, 'Unmarshal device state failed, please check the request');
  const state = pick(root, 'state');
  if (typeof state !== 'string' || state === '')
    return fault(eventIdOf(root), 400, 'state is missing: send online, offline, ok, unknown, unhealthy, error or disconnected');
  const reason = pick(root, 'reason');
  return {
    ok: true,
    eventId: eventIdOf(root),
    body: { state, ...(typeof reason === 'string' && reason !== '' ? { reason: wellFormed(reason.slice(0, 1024)) } : {}) },
  };
}

/** `twin/get` and `membership/get`: any JSON object. `what` is KubeEdge's word for it in the error text. */
export function readRequest(payload: Buffer, what: string): Read<{ ours: boolean }> {
  const root = parseObject(payload);
  if (root === undefined)
    return fault('', 400, `Unmarshal ${what} ${payload.toString('utf8').slice(0, 256)} failed , err: ${goJsonError(payload)}`);
  return { ok: true, eventId: eventIdOf(root), body: { ours: root['hivelet'] === 1 } };
}

/** What Go says of such a text: programs and people of KubeEdge's world know these words. */
function goJsonError(payload: Buffer): string {
  if (payload.length === 0) return '&json.SyntaxError{msg:"unexpected end of JSON input", Offset:0}';
  const text = payload.toString('utf8');
  const first = text.search(/\S/);
  const character = text[first] ?? ' ';
  if (!/[{[\]"\-0-9tfn]/.test(character)) {
    return `&json.SyntaxError{msg:"invalid character '${character}' looking for beginning of value", Offset:${String(first + 1)}}`;
  }
  return 'the payload is not a JSON object';
}

function parseObject(payload: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(payload)) return undefined;
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function eventIdOf(root: Record<string, unknown>): string {
  const id = pick(root, 'event_id');
  return typeof id === 'string' ? id : '';
}

/** Go matches keys without regard to case; the exact spelling is the fast path. */
function pick(record: Record<string, unknown>, key: string): unknown {
  if (Object.hasOwn(record, key)) return record[key];
  for (const [name, value] of Object.entries(record)) if (name.length === key.length && name.toLowerCase() === key) return value;
  return undefined;
}

function fault<T>(eventId: string, code: Fault['code'], reason: string): Read<T> {
  return { ok: false, eventId, fault: { code, reason } };
}
