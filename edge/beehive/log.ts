/** Owns logging: events with fields, as JSON lines (or aligned text on a terminal). */
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Record<string, unknown>;

export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

export interface LogLine {
  time: string;
  level: LogLevel;
  event: string;
  fields: LogFields;
}

const rank: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };

export function createLogger(options: {
  clock: Pick<Clock, 'now'>;
  level?: LogLevel;
  write: (line: LogLine) => void;
  fields?: LogFields;
}): Logger {
  const { clock, level = 'info', write, fields: own = {} } = options;
  const at =
    (lineLevel: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (rank[lineLevel] < rank[level]) return;
      write({ time: new Date(clock.now()).toISOString(), level: lineLevel, event, fields: { ...own, ...fields } });
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => createLogger({ clock, level, write, fields: { ...own, ...more } }),
  };
}

/** Longer texts are cut: one line must not fill a journal. */
const TEXT_LIMIT = 4096;
const CAUSES = 5;

/**
 * One JSON object a line: `{"time","level","event",...fields}`; fields of those three names are left out. Errors become `{message, code, cause}`,
 * bytes their count. Never throws: fields that cannot be written are replaced by the reason.
 */
export function formatJson({ time, level, event, fields }: LogLine): string {
  const own = { time, level, event };
  return stringify({ ...own, ...fields, ...own }) ?? stringify({ ...own, unwritable: Object.keys(fields) }) ?? '';
}

/** For people: `12:30:01.123 info  twin.stored device=thermostat`. Never throws, and never more than one line. */
export function formatText({ time, level, event, fields }: LogLine): string {
  const tail = Object.entries(fields)
    .map(([key, value]) => `${key}=${value instanceof Error ? quoted(messageOf(value)) : textOf(value)}`)
    .join(' ');
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${event} ${tail}`.trimEnd();
}

export function silentLogger(): Logger {
  const drop = (): void => undefined;
  const logger: Logger = { debug: drop, info: drop, warn: drop, error: drop, child: () => logger };
  return logger;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'bigint') return value.toString();
  return stringify(value) ?? 'unwritable';
}

/** Spaces, quotes and control characters (a client id may hold a line feed or an escape sequence) are shown, not obeyed. */
function quoted(text: string): string {
  const short = cut(text);
  return short === '' || /[\s"\p{Cc}]/u.test(short) ? JSON.stringify(short).replaceAll(/\p{Cc}/gu, escaped) : short;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Undefined for what JSON cannot hold, a circle for instance. */
function stringify(root: unknown): string | undefined {
  try {
    return JSON.stringify(root, plain) ?? 'undefined';
  } catch {
    return undefined;
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return cut(value);
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Error) return errorFields(value, CAUSES);
  return isBytes(value) ? `${String(bytesOf(value))} bytes` : value;
}

/** A Buffer has turned itself into `{type, data}` before a replacer sees it. */
function isBytes(value: unknown): value is Uint8Array | { data: number[] } {
  if (value instanceof Uint8Array) return true;
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value &&
    Array.isArray(value.data)
  );
}

function bytesOf(value: Uint8Array | { data: number[] }): number {
  return value instanceof Uint8Array ? value.length : value.data.length;
}

function cut(text: string): string {
  return text.length <= TEXT_LIMIT ? text : `${text.slice(0, TEXT_LIMIT)}… (${String(text.length)} characters)`;
}

function errorFields(error: Error, causes: number): LogFields {
  const code = (error as { code?: unknown }).code;
  return {
    message: messageOf(error),
    ...(code === undefined ? {} : { code }),
    ...(error.cause instanceof Error && causes > 0 ? { cause: errorFields(error.cause, causes - 1) } : {}),
  };
}
