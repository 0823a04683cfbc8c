/** Owns the attributes of devices: merged from messages of the cloud, told to MQTT clients. */
import type { MsgAttr } from '#wire/device-messages.ts';
import type { Device } from './device-registry.ts';
import { eventIdOf, readAttributes } from './payloads.ts';
import { attributesUpdated } from './publications.ts';
import { emptyOutcome, type Outcome, type TwinRoom } from './room.ts';

/** Stored attributes that a membership message lacks are deleted; an `updated` message only names what changes. */
export function mergeAttributes(
  room: TwinRoom,
  device: Device,
  { given, prune }: { given: ReadonlyMap<string, MsgAttr | null>; prune: boolean },
): Map<string, MsgAttr | null> {
  const changed = new Map<string, MsgAttr | null>();
  const { id } = device.row;
  const drop = (name: string): void => {
    device.attributes.delete(name);
    room.table.deleteAttribute(id, name);
    changed.set(name, null);
  };
  for (const [name, attribute] of given) {
    const before = device.attributes.get(name);
    if (attribute === null) {
      if (before?.optional === 1) drop(name);
      continue;
    }
    const row = {
      deviceid: id,
      name,
      value: attribute.value,
      optional: (attribute.optional ?? before?.optional !== 0) ? 1 : 0,
      attr_type: attribute.metadata?.type ?? before?.attr_type ?? 'string',
    };
    if (before !== undefined && before.value === row.value && before.attr_type === row.attr_type && before.optional === row.optional)
      continue;
    device.attributes.set(name, row);
    room.table.putAttribute(row);
    changed.set(name, attributeOf(row));
  }
  if (prune) for (const name of [...device.attributes.keys()]) if (!given.has(name)) drop(name);
  return changed;
}

/** `device/<id>` with an operation that holds `updated`: attributes changed by the cloud. */
export function handleAttributes(room: TwinRoom, id: string, content: Record<string, unknown>): Outcome {
  const outcome = emptyOutcome();
  const device = room.registry.member(id);
  if (device === undefined) return outcome;
  outcome.touched.add(id);
  const changed = mergeAttributes(room, device, { given: readAttributes(content['attributes']), prune: false });
  if (changed.size > 0) outcome.publish.push(attributesUpdated(id, { eventId: eventIdOf(content), now: room.clock.now() }, changed));
  return outcome;
}

export function attributeOf(row: { value: string; optional: number; attr_type: string }): MsgAttr {
  return { value: row.value, optional: row.optional === 1, metadata: { type: row.attr_type } };
}
