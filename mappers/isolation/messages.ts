/** Owns the words between edgecore and the process of a plugin. Pure. */
import { catalogue, HiveletError, isHiveletError, messageOf, type ErrorCode } from '#beehive/errors.ts';
import type { LogLevel } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsOf, type Fields } from '#device-models/fields.ts';

/** What edgecore says. It trusts itself: these are read without a check. */
export type ToChild =
  /** The first. `options`: those of the plugins; `heartbeatMs`: of the mapper host. */
  | { readonly type: 'hello'; readonly version: string; readonly plugin: string; readonly options: object; readonly heartbeatMs?: number }
  | { readonly type: 'set'; readonly profile: DeviceProfile }
  | { readonly type: 'removed'; readonly name: string }
  | { readonly type: 'ping' }
  | { readonly type: 'secret'; readonly id: number; readonly value: string }
  | { readonly type: 'refused'; readonly id: number; readonly error: Failure };

/** What the process says. It is no friend: see `readFromChild`. */
export type FromChild =
  /** The first. */
  | { readonly type: 'hello'; readonly version: string; readonly plugin: string; readonly pid: number }
  | { readonly type: 'pong' }
  | { readonly type: 'subscribe'; readonly id: number; readonly filter: string }
  | { readonly type: 'unsubscribe'; readonly filter: string }
  | { readonly type: 'log'; readonly level: LogLevel; readonly event: string; readonly fields: Fields }
  /** Whether the code of the plugin is in; if not, why. */
  | { readonly type: 'loaded'; readonly reason?: string }
  | { readonly type: 'secret'; readonly id: number; readonly reference: string; readonly path: string };

export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly facts: Record<string, unknown>;
}

/** Throws FRAME_INVALID. */
export function readFromChild(body: unknown): FromChild {
  const fields = fieldsOf(body) ?? {};
  switch (fields['type']) {
    case 'hello':
      return { type: 'hello', version: text(fields, 'version'), plugin: text(fields, 'plugin'), pid: number(fields, 'pid') };
    case 'pong':
      return { type: 'pong' };
    case 'subscribe':
      return { type: 'subscribe', id: number(fields, 'id'), filter: text(fields, 'filter') };
    case 'unsubscribe':
      return { type: 'unsubscribe', filter: text(fields, 'filter') };
    case 'log':
      return { type: 'log', level: levelOf(fields), event: text(fields, 'event'), fields: fieldsOf(fields['fields']) ?? {} };
    case 'loaded':
      return fields['reason'] === undefined ? { type: 'loaded' } : { type: 'loaded', reason: text(fields, 'reason') };
    case 'secret':
      return { type: 'secret', id: number(fields, 'id'), reference: text(fields, 'reference'), path: text(fields, 'path') };
    default:
      throw new HiveletError('FRAME_INVALID', 'the mapper process says what edgecore does not understand');
  }
}

export function failureOf(error: unknown): Failure {
  const { code, facts } = isHiveletError(error) ? error : ({ code: 'INTERNAL', facts: {} } as const);
  return { code, facts, message: messageOf(error) };
}

export function errorOf({ code, message, facts }: Failure): HiveletError {
  return new HiveletError(Object.hasOwn(catalogue, code) ? code : 'INTERNAL', message, { facts });
}

function text(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string') throw new HiveletError('FRAME_INVALID', `the mapper process says no ${key}`);
  return value;
}

function number(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > 0xffff_ffff)
    throw new HiveletError('FRAME_INVALID', `the mapper process says no ${key}`);
  return value;
}

function levelOf({ level }: Fields): LogLevel {
  return level === 'debug' || level === 'warn' || level === 'error' ? level : 'info';
}
