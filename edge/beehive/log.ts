/** Owns logging: events with fields, as JSON lines (or aligned text on a terminal). */
import type { Clock } from './clock.ts';

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

/** One JSON object a line: `{"time","level","event",...fields}`. Errors become `{message, code}`. */
export function formatJson({ time, level, event, fields }: LogLine): string {
  return JSON.stringify({ time, level, event, ...fields }, (_key, value: unknown) =>
    value instanceof Error ? errorFields(value) : typeof value === 'bigint' ? value.toString() : value,
  );
}

/** For people: `12:30:01.123 info  twin.stored device=thermostat`. */
export function formatText({ time, level, event, fields }: LogLine): string {
  const tail = Object.entries(fields)
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : textOf(value)}`)
    .join(' ');
  return `${time.slice(11, 23)} ${level.padEnd(5)} ${event} ${tail}`.trimEnd();
}

export function silentLogger(): Logger {
  const drop = (): void => undefined;
  const logger: Logger = { debug: drop, info: drop, warn: drop, error: drop, child: () => logger };
  return logger;
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value.includes(' ') ? JSON.stringify(value) : value;
  if (typeof value === 'bigint') return value.toString();
  return JSON.stringify(value) ?? 'undefined';
}

function errorFields(error: Error): LogFields {
  const code = (error as { code?: unknown }).code;
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.cause instanceof Error ? { cause: errorFields(error.cause) } : {}),
  };
}
