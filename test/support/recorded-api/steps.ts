/** Owns the shape of the steps recorded from a real API server, and their essence: status, kind, reason, event types. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RawAnswer } from '../api-server.ts';

export interface RecordedRequest {
  method: string;
  path: string;
  accept?: string;
  contentType?: string;
  body?: unknown;
  token?: string | null;
  /** Writes that are made while the stream is open. */
  during?: { method: string; path: string; contentType?: string; body?: unknown }[];
}

export interface RecordedResponse {
  status: number;
  headers?: Record<string, string>;
  /** The whole body, or a part of it, or names. */
  body?: unknown;
  /** Of a stream: whole events, their types, or only their number. */
  events?: unknown;
}

export interface Step {
  id: string;
  note?: string;
  /** State of the server that the step supposes: a restart, or a compacted history. */
  needs?: string;
  request?: RecordedRequest;
  response: RecordedResponse;
}

const folder = path.join(import.meta.dirname, '../../golden/kube-apiserver-1.20');

export function loadRecorded(name: string): unknown {
  return JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
}

/** Level 1, as far as the recording keeps it. */
export interface Essence {
  status: number;
  contentType?: string;
  kind?: string;
  reason?: string;
  types?: unknown[];
  /** Number of events where only that was kept. */
  count?: number;
}

export function recordedEssence({ response }: Step): Essence {
  const { status, body, headers } = response;
  const essence: Essence = { status, ...contentTypeOf(headers?.['content-type']) };
  const { events } = response;
  if (typeof events === 'number') return { ...essence, count: events };
  if (Array.isArray(events) && !isAnswer(events[0])) return { ...essence, types: events.map(eventType) };
  return { ...essence, ...kindAndReason(Array.isArray(events) ? events[0] : body) };
}

/** As much of an answer of ours as the recording keeps. */
export function ourEssence(answer: RawAnswer, recorded: Essence): Essence {
  const essence: Essence = { status: answer.status };
  if (recorded.contentType !== undefined) Object.assign(essence, contentTypeOf(String(answer.headers['content-type'])));
  if (recorded.count !== undefined) return { ...essence, count: linesOf(answer.text).length };
  if (recorded.types !== undefined) return { ...essence, types: linesOf(answer.text).map(eventType) };
  if (recorded.kind === undefined) return essence;
  return { ...essence, ...(answer.text.startsWith('{') ? kindAndReason(JSON.parse(answer.text)) : { kind: 'text' }) };
}

/** Whole lines of a stream; what is still coming is left out. */
export function linesOf(text: string): unknown[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.filter((line) => line !== '').map((line): unknown => JSON.parse(line));
}

/** An ordinary answer that was recorded in the place of events. */
export function isAnswer(value: unknown): boolean {
  return isObject(value) && typeof value['apiVersion'] === 'string' && value['type'] === undefined;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function eventType(event: unknown): unknown {
  if (Array.isArray(event)) return event[0];
  return isObject(event) ? event['type'] : event;
}

function kindAndReason(body: unknown): Pick<Essence, 'kind' | 'reason'> {
  if (!isObject(body) || typeof body['kind'] !== 'string') return {};
  return { kind: body['kind'], ...(typeof body['reason'] === 'string' ? { reason: body['reason'] } : {}) };
}

function contentTypeOf(header: string | undefined): { contentType?: string } {
  return header === undefined ? {} : { contentType: header };
}
