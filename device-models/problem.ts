/** Owns how a fault in a Device or DeviceModel is told: how grave, at which field, what to do. */

/**
 * `refuse`: can never work, the API refuses the object. `condition`: admitted, but the device or one of its properties stays idle until
 * somebody acts (shown as a condition of the Device). `warn`: works, though probably not as it was meant.
 */
export type Severity = 'refuse' | 'warn' | 'condition';

export interface Problem {
  severity: Severity;
  /** As in the YAML: `spec.propertyVisitors[2].modbus.limit`; a fault in the device's model starts with `model:`. */
  path: string;
  /** One sentence: what is wrong and what to do. Does not repeat the path. */
  message: string;
  /** The condition of the Device that says it; absent = ProfileInvalid. */
  shownAs?: OwnCondition;
}

/** Faults that have a condition of their own, because they end when another object comes or goes. */
export type OwnCondition = 'ModelMissing' | 'NodeUnknown' | 'NameConflict';

/** Collects problems while an object is read. */
export class ProblemList {
  readonly items: Problem[] = [];

  refuse(path: string, message: string): void {
    this.items.push({ severity: 'refuse', path, message });
  }

  condition(path: string, message: string, shownAs?: OwnCondition): void {
    this.items.push({ severity: 'condition', path, message, ...(shownAs === undefined ? {} : { shownAs }) });
  }

  warn(path: string, message: string): void {
    this.items.push({ severity: 'warn', path, message });
  }
}

/** The words of a fault wherever they are shown: as a warning of the API, in its refusal, in a condition of the Device. */
export function sentenceOf({ path, message }: Pick<Problem, 'path' | 'message'>): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** A value in a message: short, quoted, on one line. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
