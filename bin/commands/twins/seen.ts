/** Owns what changed between two looks at a device. */
import type { DeviceTwins, Seen } from './source.ts';

/** Everything when there was no look before. A new time-stamp alone is no change. */
export function changesBetween(before: DeviceTwins | undefined, after: DeviceTwins): Seen[] {
  const old = new Map(before?.twins.map((twin) => [twin.property, twin]));
  const device = after.device.name;
  const twins = after.twins.filter((twin) => {
    const last = old.get(twin.property);
    return last === undefined || last.desired !== twin.desired || last.reported !== twin.reported || last.state !== twin.state;
  });
  const changes = twins.map((twin): Seen => ({ kind: 'twin', device, twin }));
  if (before?.device.state === after.device.state || after.device.state === '') return changes;
  return [{ kind: 'state', device, state: after.device.state }, ...changes];
}

/** One line for a person: `thermostat setpoint 23 (desired 23, in sync)`. */
export function seenText(change: Seen): string {
  if (change.kind === 'gone') return `${change.device} is gone`;
  if (change.kind === 'state') return `${change.device} is ${change.state}`;
  const { property, desired, reported, unit, state } = change.twin;
  const value = reported === undefined ? 'not reported' : `${reported}${unit === '' ? '' : ` ${unit}`}`;
  const wanted = desired === undefined ? [] : [`desired ${desired}`];
  const rest = [...wanted, ...(state === '' ? [] : [state])].join(', ');
  return `${change.device} ${property} ${value}${rest === '' ? '' : ` (${rest})`}`;
}
