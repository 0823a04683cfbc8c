/** Owns the error catalogue: one class, one row per code that says who retries and what a person reads. */

export const catalogue = {
  CONFIG_INVALID: { retry: 'never', exit: 1, text: 'the configuration is not valid' },
  USAGE: { retry: 'never', exit: 2, text: 'wrong usage' },
  PORT_IN_USE: { retry: 'never', exit: 1, text: 'the port is already taken' },
  STORE_LOCKED: { retry: 'never', exit: 1, text: 'another process owns the database' },
  STORE_UNREADABLE: { retry: 'never', exit: 1, text: 'the database file cannot be read' },
  STORE_FULL: { retry: 'later', exit: 1, text: 'the disk is full' },
  STORE_FAILED: { retry: 'later', exit: 1, text: 'the database refused the write' },
  PROFILE_INVALID: { retry: 'never', exit: 1, text: 'the device or its model cannot be used' },
  VALUE_INVALID: { retry: 'never', exit: 1, text: 'the value does not fit' },
  DEVICE_UNREACHABLE: { retry: 'later', exit: 1, text: 'the device does not answer' },
  DEVICE_BUSY: { retry: 'later', exit: 1, text: 'the device cannot do it now' },
  POINT_REJECTED: { retry: 'never', exit: 1, text: 'the device refused this address or value' },
  PLUGIN_MISSING: { retry: 'later', exit: 1, text: 'no mapper plugin serves this protocol' },
  BUS_NO_MODULE: { retry: 'never', exit: 1, text: 'no such module or group on the bus' },
  BUS_TIMEOUT: { retry: 'later', exit: 1, text: 'no answer in time' },
  STOPPED: { retry: 'never', exit: 1, text: 'stopped while waiting' },
  LINK_CLOSED: { retry: 'later', exit: 1, text: 'the link to the cloud is closed' },
  FRAME_INVALID: { retry: 'never', exit: 1, text: 'the frame is not a beehive message' },
  KUBE_API: { retry: 'later', exit: 1, text: 'the Kubernetes API refused the request' },
  CERTIFICATES_UNUSABLE: { retry: 'never', exit: 1, text: 'the certificates cannot be used' },
  NOT_FOUND: { retry: 'never', exit: 1, text: 'not found' },
  INTERNAL: { retry: 'never', exit: 1, text: 'unexpected failure' },
} as const;

export type ErrorCode = keyof typeof catalogue;

/**
 * The only error that our code throws on purpose. Errors of libraries become its `cause` at the rim.
 * `message` is one sentence for a person: what is wrong, where (field path, file:line, address) and the remedy.
 */
export class HiveletError extends Error {
  readonly code: ErrorCode;
  readonly facts: Record<string, unknown>;

  constructor(code: ErrorCode, message?: string, options: { facts?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message ?? catalogue[code].text, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'HiveletError';
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

export function isHiveletError(error: unknown, code?: ErrorCode): error is HiveletError {
  return error instanceof HiveletError && (code === undefined || error.code === code);
}

/** The message of whatever was thrown. A failed connection to a name with several addresses has one in each of its parts only. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.message !== '') return error.message;
  const parts = error instanceof AggregateError ? [...new Set(error.errors.map(messageOf))].join('; ') : '';
  return parts === '' ? error.name : parts;
}
