/** Owns `reportPolicy` of a property: when its value is worth a report, in all generations of Device. */
import { readCycle, type CycleUnit } from './cycles.ts';
import { field, fieldsOf, nameOf, numberOf, textOf, type Fields } from './fields.ts';
import { quoted, type ProblemList } from './problem.ts';
import type { ValueType } from './values.ts';

/** Absent parts have the default: on change, at least every report cycle (without one: every minute). */
export interface ReportPolicy {
  /** With each collection, changed or not. */
  always?: true;
  deadband?: Deadband;
  /** At the latest so long after the last report, ms; counts instead of the report cycle. */
  heartbeatMs?: number;
}

/** A smaller change is not reported. `absolute`: in the unit of the property; `percent`: of the value that was reported last. */
export interface Deadband {
  kind: 'absolute' | 'percent';
  /** More than 0. */
  value: number;
}

const modes = ['onChange', 'always'] as const;

/** `{mode: onChange | always, deadband: 0.5 | 2%, heartbeat: 5m}` beside the cycles of a visitor; undefined when there is none. */
export function readReportPolicy(
  { written, path, unit }: { written: unknown; path: string; unit: CycleUnit },
  problems: ProblemList,
): ReportPolicy | undefined {
  if (written === undefined || written === null) return undefined;
  const entry = fieldsOf(written);
  if (entry === undefined) {
    problems.condition(path, 'is no mapping, so changes are reported: write mode, deadband or heartbeat below it');
    return undefined;
  }
  const deadband = readDeadband(field(entry, 'deadband'), `${path}.deadband`, problems);
  const heartbeat = readCycle(field(entry, 'heartbeat'), unit);
  if (heartbeat !== undefined && 'fault' in heartbeat)
    problems.condition(`${path}.heartbeat`, `${heartbeat.fault}; the report cycle counts`);
  const policy: ReportPolicy = {
    ...(isAlways(entry, `${path}.mode`, problems) ? { always: true } : {}),
    ...(deadband === undefined ? {} : { deadband }),
    ...(heartbeat !== undefined && 'ms' in heartbeat ? { heartbeatMs: heartbeat.ms } : {}),
  };
  return Object.keys(policy).length === 0 ? undefined : policy;
}

/** What of a policy a property of this type can have. */
export function fittingPolicy(
  policy: ReportPolicy | undefined,
  { type, path }: { type: ValueType; path: string },
  problems: ProblemList,
): ReportPolicy | undefined {
  if (policy?.deadband === undefined || type === 'int' || type === 'float' || type === 'double') return policy;
  problems.warn(`${path}.deadband`, `a ${type} has no deadband: it is not used`);
  const { deadband: _deadband, ...rest } = policy;
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function isAlways(entry: Fields, path: string, problems: ProblemList): boolean {
  const written = nameOf(field(entry, 'mode'));
  const mode = modes.find((word) => word.toLowerCase() === written?.toLowerCase().replace(/[_-]/g, ''));
  if (written !== undefined && mode === undefined)
    problems.condition(path, `${quoted(written)} is no mode, so changes are reported: write onChange or always`);
  return mode === 'always';
}

/** A number, or a text such as `2%`; 0 is none. */
function readDeadband(written: unknown, path: string, problems: ProblemList): Deadband | undefined {
  if (written === undefined || written === null || written === '') return undefined;
  const text = textOf(written)?.trim() ?? '';
  const kind = text.endsWith('%') ? 'percent' : 'absolute';
  const value = numberOf(kind === 'percent' ? text.slice(0, -1) : written);
  if (value === undefined || value < 0) {
    problems.condition(path, `${quoted(written)} is no deadband, so each change is reported: write a number such as 0.5, or 2%`);
    return undefined;
  }
  return value === 0 ? undefined : { kind, value };
}
