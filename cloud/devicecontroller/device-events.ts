/** Owns the words of the events about a Device: what became of desired values, and what changed of its state and conditions. Pure. */
import { fieldsOf, listOf, textOf } from '#device-models/fields.ts';
import type { WriteOutcome } from '#wire/write-outcome.ts';
import type { KubeObject } from '../store/kube-api.ts';
import type { HappenedEvent } from '../store/kubeconfig/event-recorder.ts';
import { statusOf } from './api-status.ts';

/** `override`: the value was not wanted by the API but set at the edge. */
export function outcomeEvent(property: string, outcome: WriteOutcome, override: boolean): HappenedEvent {
  const { desired, result, observed = '', ms, reason = 'no reason was given' } = outcome;
  const wanted = `${property}: ${override ? 'local value' : 'desired'} ${short(desired)}`;
  const took = ms === undefined ? '' : ` in ${duration(ms)}`;
  switch (result) {
    case 'reached':
      return ms === undefined
        ? reachedEvent(property, { desired, observed })
        : normal('DesiredWritten', `${wanted} written, observed ${short(observed)}${took}`);
    case 'differs':
      if (outcome.observed === undefined) return warning('DesiredNotTaken', `${wanted} written, but not seen${took}: ${reason}`);
      return warning('DesiredNotTaken', `${wanted} written, but observed ${short(observed)} ${duration(ms ?? 0)} later`);
    case 'refused':
      return warning('WriteRefused', `${property}: write refused: ${reason}`);
    case 'timedOut':
      return warning('WriteTimedOut', `${wanted} not written, it is tried again: ${reason}`);
    case 'failed':
      return warning('WriteFailed', `${wanted} not written, it is tried again: ${reason}`);
  }
}

/** The device has the desired value, and no mapper said that it wrote it. */
export function reachedEvent(property: string, { desired, observed }: { desired: string; observed: string }): HappenedEvent {
  return normal('DesiredReached', `${property}: desired ${short(desired)} reached, observed ${short(observed)}`);
}

/** What a write of ours changed that people want to know: the state, and conditions that hold now and did not before. */
export function transitionEvents(before: KubeObject, after: KubeObject): HappenedEvent[] {
  return [...stateEvents(before, after), ...conditionEvents(before, after)];
}

function stateEvents(before: KubeObject, after: KubeObject): HappenedEvent[] {
  const [was, is] = [before, after].map((object) => textOf(statusOf(object)?.['state']) ?? '');
  if (is === undefined || is === '' || is === was) return [];
  const reason = textOf(fieldsOf(statusOf(after)?.['summary'])?.['reason']);
  const change = was === '' ? is : `${was} -> ${is}`;
  const message = reason === undefined ? change : `${change}: ${reason}`;
  return [/^(online|ok)$/i.test(is) ? normal('StateChanged', message) : warning('StateChanged', message)];
}

/** Ready is told by the state, or by the condition that it follows. */
function conditionEvents(before: KubeObject, after: KubeObject): HappenedEvent[] {
  const held = new Set(conditionsIn(before).map(({ type }) => type));
  return conditionsIn(after).flatMap(({ type, message }) => {
    if (type === 'Ready' || held.has(type)) return [];
    return [type === 'LocalOverride' ? normal(type, message) : warning(type, message)];
  });
}

function conditionsIn(object: KubeObject): { type: string; message: string }[] {
  return listOf(statusOf(object)?.['conditions']).flatMap((entry) => {
    const { type, status, message } = fieldsOf(entry) ?? {};
    return typeof type === 'string' && status === 'True' ? [{ type, message: textOf(message) ?? '' }] : [];
  });
}

function normal(reason: string, message: string): HappenedEvent {
  return { type: 'Normal', reason, message };
}

function warning(reason: string, message: string): HappenedEvent {
  return { type: 'Warning', reason, message };
}

const MAX_VALUE = 64;

function short(text: string): string {
  if (text === '') return '""';
  return text.length <= MAX_VALUE ? text : `${text.slice(0, MAX_VALUE - 1)}…`;
}

/** `41 ms`, `12.5 s`, `3 min 20 s`, `2 h 5 min`. */
function duration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${Math.round(ms / 100) / 10} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
