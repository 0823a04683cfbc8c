/** Owns what a Device and a Node of the API say to a person: lines for tables. */
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, fieldsAt, fieldsOf, listOf, nameOf, numberOf, textOf } from '#device-models/fields.ts';
import type { Fields } from '#device-models/fields.ts';
import { sameValue } from '#device-models/values.ts';
import { writesInApi } from '../../../cloud/devicecontroller/api-status.ts';
import type { KubeObject } from '../../../cloud/store/kube-api.ts';
import type { Change, DeviceLine, NodeLine, TwinLine } from './source.ts';

export function deviceLine(device: KubeObject, profile: DeviceProfile): DeviceLine {
  const status = fieldsAt(device, 'status');
  const lastSeenMs = Date.parse(textOf(status?.['lastOnlineTime']) ?? '');
  return {
    namespace: profile.namespace,
    name: profile.name,
    node: profile.node ?? '',
    model: profile.model,
    protocol: profile.protocol,
    state: nameOf(status?.['state']) ?? '',
    ...(Number.isNaN(lastSeenMs) ? {} : { lastSeenMs }),
    note: noteOf(status),
  };
}

/** The first condition that is not as it should be. */
function noteOf(status: Fields | undefined): string {
  const conditions = listOf(status?.['conditions']).map((entry) => fieldsOf(entry) ?? {});
  const bad = conditions.find(({ type, status: holds }) => (type === 'Ready' ? holds !== 'True' : holds === 'True'));
  return textOf(bad?.['message']) ?? '';
}

/** A row per property, in the order of the model. */
export function twinLines(device: KubeObject, profile: DeviceProfile): TwinLine[] {
  const status = fieldsAt(device, 'status');
  const entries = new Map(
    listOf(status?.['twins']).map((entry) => [nameOf(field(fieldsOf(entry), 'propertyName')) ?? '', fieldsOf(entry)]),
  );
  const overrides = overridesIn(status);
  return profile.properties.map((property) => {
    const reported = fieldsAt(entries.get(property.name), 'reported');
    const value = textOf(field(reported, 'value'));
    const at = numberOf(field(fieldsAt(reported, 'metadata'), 'timestamp'));
    // What KubeEdge's samples carry as a placeholder is no report.
    const said = value !== undefined && (value !== '' || at !== undefined) ? value : undefined;
    const line = twinLine(property, {
      ...(property.desired === undefined ? {} : { desired: property.desired.value }),
      ...(said === undefined ? {} : { reported: said }),
      ...(at === undefined || said === undefined ? {} : { reportedAtMs: at }),
      override: overrides.get(property.name),
    });
    const doubt = doubtOf(reported);
    return doubt === '' ? line : { ...line, state: line.state === '' ? doubt : `${line.state}, ${doubt}` };
  });
}

/** `stale`: the device does not answer, which its note tells; `bad: ...`: this point alone has a fault. */
function doubtOf(reported: Fields | undefined): string {
  const { quality, reason } = fieldsAt(reported, 'metadata') ?? {};
  if (quality === 'stale') return 'stale';
  return quality === 'bad' ? `bad: ${textOf(reason) ?? 'no reason was given'}` : '';
}

/** What became of writing `value`, when that is not good news; `final`: it is not tried again. */
export function writeFault(device: KubeObject, { property, value }: Change): { reason: string; final: boolean } | undefined {
  const outcome = writesInApi(device).get(property);
  if (outcome?.desired !== value) return undefined;
  const { result, reason = 'no reason was given', observed } = outcome;
  switch (result) {
    case 'reached':
      return undefined;
    case 'refused':
      return { reason: `refused: ${reason}`, final: true };
    case 'differs':
      return { reason: observed === undefined ? `written, but ${reason}` : `written, but the device shows ${observed}`, final: false };
    case 'timedOut':
    case 'failed':
      return { reason: `not written, it is tried again: ${reason}`, final: false };
  }
}

interface Values {
  desired?: string;
  reported?: string;
  reportedAtMs?: number;
  override: string | undefined;
}

export function twinLine(property: PropertyProfile, { override, ...values }: Values): TwinLine {
  const { name, type, unit = '', accessMode } = property;
  return {
    property: name,
    type,
    unit,
    readOnly: accessMode === 'ReadOnly',
    ...values,
    state: syncState(property, { ...values, override }),
  };
}

function syncState({ type, tolerance, accessMode }: PropertyProfile, { desired, reported, override }: Values): string {
  if (override !== undefined) return `override ${override}`;
  if (desired === undefined || accessMode === 'ReadOnly') return '';
  return reported !== undefined && sameValue(type, desired, reported, tolerance) ? 'in sync' : 'pending';
}

/** Condition LocalOverride says `setpoint is held at 25 (the API wants 21); ...`. */
function overridesIn(status: Fields | undefined): Map<string, string> {
  const condition = listOf(status?.['conditions'])
    .map(fieldsOf)
    .find((entry) => entry?.['type'] === 'LocalOverride' && entry['status'] === 'True');
  const parts = (textOf(condition?.['message']) ?? '').split('; ');
  return new Map(
    parts.flatMap((part) => {
      const [, name, value] = /^(.+) is held at (.*) \(the API wants .*\)$/.exec(part) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
}

export function nodeLine(node: KubeObject, devices: number): NodeLine {
  const status = fieldsAt(node, 'status');
  const ready = listOf(status?.['conditions'])
    .map(fieldsOf)
    .find((entry) => entry?.['type'] === 'Ready');
  const heartbeatMs = Date.parse(textOf(ready?.['lastHeartbeatTime']) ?? '');
  const words: ReadonlyMap<string, string> = new Map([
    ['True', 'Ready'],
    ['False', 'NotReady'],
  ]);
  return {
    name: node.metadata.name,
    ready: words.get(textOf(ready?.['status']) ?? '') ?? 'Unknown',
    ...(Number.isNaN(heartbeatMs) ? {} : { heartbeatMs }),
    version: textOf(field(fieldsAt(status, 'nodeInfo'), 'kubeletVersion')) ?? '',
    devices,
  };
}
