/** Owns `status.summary`: the few short texts that `kubectl get devices` shows of a device beside its state. Pure. */
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import { field, textOf } from '#device-models/fields.ts';
import { sameValue } from '#device-models/values.ts';

/** All texts are one line and short; what is unknown or empty is left out. */
export interface DeviceSummary {
  node?: string;
  protocol?: string;
  /** Where the device is: `192.0.2.40:502/3`, `/dev/ttyUSB0/3`, an URL, a MAC address. */
  address?: string;
  /** Wanted -> reported, what is not reached first; then readings. */
  values?: string;
  /** Properties whose desired value is not reached. */
  pending?: string;
  /** Why something is not as it should be. */
  reason?: string;
}

export interface SummaryFacts {
  profile: DeviceProfile;
  /** Reported text by property, as the API is about to show it. */
  reported: (property: string) => string | undefined;
  reason: string | undefined;
}

/** Characters at most. */
const LIMITS = { name: 24, value: 12, values: 56, pending: 48, address: 48, reason: 100, node: 63, protocol: 24 } as const;

export function summaryOf({ profile, reported, reason }: SummaryFacts): DeviceSummary {
  const entries = profile.properties.map((property) => entryOf(property, reported(property.name)));
  const summary: { [key in keyof DeviceSummary]: string | undefined } = {
    node: profile.node,
    protocol: profile.protocol,
    address: addressOf(profile.protocolConfig),
    values: valuesText(entries),
    pending: pendingText(entries),
    reason,
  };
  return Object.fromEntries(
    Object.entries(summary).flatMap(([key, text]) => {
      const short = clip(text ?? '', LIMITS[key as keyof DeviceSummary]);
      return short === '' ? [] : [[key, short]];
    }),
  );
}

/** One property: what is wanted of it, and what it is. */
interface Entry {
  name: string;
  desired: string | undefined;
  reported: string | undefined;
  reached: boolean;
}

function entryOf({ name, type, desired, tolerance }: PropertyProfile, reported: string | undefined): Entry {
  const reached = desired !== undefined && reported !== undefined && sameValue(type, desired.value, reported, tolerance);
  return { name, desired: desired?.value, reported, reached };
}

/**
 * `setpoint 23 -> 22.9, temperature 21.5`; with more desired values than fit, the first that are not reached and how many are:
 * `setpoint 23 -> 20 (19/20 reached)`, or just `20/20 reached`.
 */
function valuesText(entries: readonly Entry[]): string {
  const wanted = entries.filter(({ desired }) => desired !== undefined);
  const open = wanted.filter(({ reached }) => !reached).map(textOfEntry);
  const reached = wanted.filter(({ reached }) => reached).map(textOfEntry);
  const readings = entries.filter((entry) => entry.desired === undefined && entry.reported !== undefined).map(textOfEntry);
  if ([...open, ...reached].join(', ').length <= LIMITS.values) {
    return listed([...open, ...reached, ...readings], { atLeast: open.length + reached.length, limit: LIMITS.values });
  }
  const count = `${reached.length}/${wanted.length} reached`;
  const first = open.filter((_text, index) => `${open.slice(0, index + 1).join(', ')} (${count})`.length <= LIMITS.values);
  return first.length === 0 ? count : `${first.join(', ')} (${count})`;
}

function pendingText(entries: readonly Entry[]): string {
  const names = entries.filter(({ desired, reached }) => desired !== undefined && !reached).map(({ name }) => clip(name, LIMITS.name));
  return listed(names, { atLeast: 1, limit: LIMITS.pending });
}

function textOfEntry({ name, desired, reported }: Entry): string {
  const is = reported === undefined ? '?' : valueText(reported);
  return `${clip(name, LIMITS.name)} ${desired === undefined ? is : `${valueText(desired)} -> ${is}`}`;
}

function valueText(text: string): string {
  return text === '' ? '""' : clip(text, LIMITS.value);
}

/** As many as fit, and how many more there are: `a, b +3`. */
function listed(texts: readonly string[], { atLeast, limit }: { atLeast: number; limit: number }): string {
  for (let count = texts.length; count > atLeast; count -= 1) {
    const text = texts.slice(0, count).join(', ') + more(texts.length - count);
    if (text.length <= limit) return text;
  }
  if (texts.length === 0) return '';
  const text = texts.slice(0, atLeast).join(', ');
  const rest = more(texts.length - atLeast);
  return text.length + rest.length <= limit ? text + rest : text;
}

function more(count: number): string {
  return count === 0 ? '' : ` +${count}`;
}

/** One line without control characters; the end of what is too long is cut. */
function clip(text: string, limit: number): string {
  const line = text.replace(/[\p{C}\p{Z}\s]+/gu, ' ').trim();
  return line.length <= limit ? line : `${line.slice(0, limit - 1).trimEnd()}…`;
}

/** The fields by which protocols of all generations name the place of a device. User names and passwords in an URL are left out. */
function addressOf(config: Record<string, unknown>): string {
  const named = (...names: string[]): string => {
    for (const name of names) {
      const text = textOf(field(config, name));
      if (text !== undefined && text !== '') return text;
    }
    return '';
  };
  const url = named('url', 'endpoint');
  if (url !== '') return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1');
  const port = named('port');
  const host = named('ip', 'host', 'address');
  const line = named('serialPort', 'serialName');
  const place = line !== '' ? line : host === '' || port === '' || host.includes('://') ? host : `${host}:${port}`;
  const unit = named('slaveID', 'slaveId', 'unitId');
  if (place !== '') return unit === '' ? place : `${place}/${unit}`;
  return named('macAddress', 'localName', 'path', 'device', 'name', 'uri');
}
