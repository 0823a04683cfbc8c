/** Owns property visitors: where each generation keeps them, and which one counts for a property. */
import { readBluetooth } from './bluetooth-visitor.ts';
import { field, fieldsAt, fieldsOf, listOf, nameOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { checkModbusVisitor } from './enums.ts';
import { quoted } from './problem.ts';
import type { ProblemList } from './problem.ts';
import { kindsIn, protocolNameOf } from './protocol-block.ts';
import { readCycle } from './cycles.ts';
import type { CycleUnit } from './cycles.ts';
import { readReportPolicy } from './report-policy.ts';
import type { ReportPolicy } from './report-policy.ts';

export interface Visitor {
  property: string;
  /** Where it is written, for messages. */
  path: string;
  /** '' when it names no protocol: it then is of the Device's. */
  protocol: string;
  /** Absent when the entry says nothing about where to read: only its cycles count. */
  config?: Fields;
  /** Where `config` is written, where that is below `path`. */
  at?: string;
  collectCycleMs?: number;
  reportCycleMs?: number;
  reportPolicy?: ReportPolicy;
  /** Where the policy is written. */
  policyAt?: string;
}

/** Visitors of the Device by property: `spec.properties[].visitors` (v1beta1), then `spec.propertyVisitors[]` (v1alpha2). */
export function readDeviceVisitors(device: Fields, problems: ProblemList): Map<string, Visitor> {
  const spec = fieldsAt(device, 'spec');
  return joined(readPerProperty(spec, problems), readList(spec, problems));
}

/** Visitors of the model by property: templates of the newest models, then `spec.propertyVisitors[]` (v1alpha1). */
export function readModelVisitors(model: Fields | undefined, problems: ProblemList): Map<string, Visitor> {
  const spec = fieldsAt(model, 'spec');
  return joined(readPerProperty(spec, problems), readList(spec, problems));
}

/** Per property the first list wins; what it does not say is taken from the second. */
export function joined(first: ReadonlyMap<string, Visitor>, second: ReadonlyMap<string, Visitor>): Map<string, Visitor> {
  const all = new Map(second);
  for (const [property, visitor] of first) {
    const behind = second.get(property);
    all.set(
      property,
      visitor.config === undefined && behind !== undefined
        ? { ...behind, ...visitor, protocol: behind.protocol }
        : { ...behind, ...visitor },
    );
  }
  return all;
}

function readList(spec: Fields | undefined, problems: ProblemList): Map<string, Visitor> {
  const found = new Map<string, Visitor>();
  listOf(field(spec, 'propertyVisitors')).forEach((written, index) => {
    const path = `spec.propertyVisitors[${index}]`;
    const entry = fieldsOf(written) ?? {};
    const property = nameOf(field(entry, 'propertyName'));
    if (property === undefined)
      return problems.condition(`${path}.propertyName`, 'is missing, so the visitor is left out: name a property');
    if (found.has(property))
      return problems.warn(`${path}.propertyName`, `${quoted(property)} has a visitor already, which counts: remove one`);
    const timing = readTiming({ entry, path, unit: 'nanoseconds-or-milliseconds' }, problems);
    found.set(property, { property, path, ...readKinds(entry, path, problems), ...timing });
  });
  return found;
}

/** v1alpha1 and v1alpha2: one of the kinds, with `customizedValues` beside it. */
function readKinds(entry: Fields, path: string, problems: ProblemList): Pick<Visitor, 'protocol' | 'config' | 'at'> {
  const kinds = kindsIn(entry);
  const kind = kinds[0];
  if (kinds.length > 1) {
    problems.refuse(path, `names ${kinds.join(' and ')}: a visitor has one protocol, keep one`);
    return { protocol: '' };
  }
  const more = fieldsAt(entry, 'customizedValues');
  if (kind === undefined) return more === undefined ? { protocol: '' } : { protocol: '', config: more };
  const own = fieldsAt(entry, kind) ?? {};
  if (kind === 'customizedProtocol') {
    const name = nameOf(field(own, 'protocolName')) ?? '';
    return { protocol: protocolNameOf(name), config: { ...more, ...fieldsAt(own, 'configData') } };
  }
  if (kind === 'modbus') checkModbusVisitor(own, `${path}.modbus`, problems);
  return {
    protocol: kind,
    at: `${path}.${kind}`,
    config: { ...more, ...(kind === 'bluetooth' ? readBluetooth(entry, path, problems) : own) },
  };
}

/** v1beta1: `properties[].visitors.{protocolName,configData}`, cycles beside it. */
function readPerProperty(spec: Fields | undefined, problems: ProblemList): Map<string, Visitor> {
  const found = new Map<string, Visitor>();
  listOf(field(spec, 'properties')).forEach((written, index) => {
    const path = `spec.properties[${index}]`;
    const entry = fieldsOf(written) ?? {};
    const property = nameOf(field(entry, 'name'));
    if (property === undefined || found.has(property)) return;
    const timing = readTiming({ entry, path, unit: 'milliseconds' }, problems);
    if (fieldsAt(entry, 'pushMethod') !== undefined) {
      problems.warn(`${path}.pushMethod`, 'is not used here: the value is in the twin and on its MQTT topics');
    }
    const visitors = fieldsAt(entry, 'visitors');
    if (visitors === undefined && Object.keys(timing).length === 0) return;
    found.set(property, { property, path: `${path}.visitors`, ...readNamed(visitors, `${path}.visitors`, problems), ...timing });
  });
  return found;
}

function readNamed(visitors: Fields | undefined, path: string, problems: ProblemList): Pick<Visitor, 'protocol' | 'config' | 'at'> {
  const protocol = protocolNameOf(nameOf(field(visitors, 'protocolName')) ?? '');
  const config = fieldsAt(visitors, 'configData');
  if (config === undefined) return { protocol };
  if (protocol === 'modbus') checkModbusVisitor(config, `${path}.configData`, problems);
  return { protocol, at: `${path}.configData`, config };
}

interface TimingSource {
  entry: Fields;
  path: string;
  unit: CycleUnit;
}

type Timing = Pick<Visitor, 'collectCycleMs' | 'reportCycleMs' | 'reportPolicy' | 'policyAt'>;

function readTiming({ entry, path, unit }: TimingSource, problems: ProblemList): Timing {
  const collect = readCycle(field(entry, 'collectCycle'), unit);
  const report = readCycle(field(entry, 'reportCycle'), unit);
  if (collect !== undefined && 'fault' in collect)
    problems.condition(`${path}.collectCycle`, `${collect.fault}; the default of 1 s is taken`);
  if (report !== undefined && 'fault' in report) problems.condition(`${path}.reportCycle`, `${report.fault}; each change is reported`);
  const policyAt = `${path}.reportPolicy`;
  const reportPolicy = readReportPolicy({ written: field(entry, 'reportPolicy'), path: policyAt, unit }, problems);
  return {
    ...(reportPolicy === undefined ? {} : { reportPolicy, policyAt }),
    ...(collect !== undefined && 'ms' in collect ? { collectCycleMs: collect.ms } : {}),
    ...(report !== undefined && 'ms' in report ? { reportCycleMs: report.ms } : {}),
  };
}
