/** Owns device definitions on their way DOWN: membership messages and the device entries in them, for our edges and for KubeEdge's. */
import { randomUUID } from 'node:crypto';
import type { DeviceEntry, MembershipDetail, MembershipUpdate, MsgTwin } from '#wire/device-messages.ts';
import { createMessage, type BeehiveMessage } from '#wire/message.ts';
import { group, membership, membershipDetail, operation, source } from '#wire/resources.ts';
import type { DeviceView } from './device-view.ts';

/** `hivelet` peers know our extensions; `kubeedge` peers get exactly what KubeEdge v1.9 sends. */
export type Peer = 'hivelet' | 'kubeedge';

export interface Dialect {
  peer: Peer;
  /** uid of Namespace kube-system. */
  clusterUid: string;
  /** Unix ms. */
  now: number;
}

/** The device as the edge is to run it. */
export function deviceEntry(view: DeviceView, dialect: Dialect): DeviceEntry {
  const { peer, clusterUid } = dialect;
  const twin = twinsOf(view, dialect);
  const { description } = view.profile;
  return {
    id: view.name,
    name: view.name,
    ...(description === undefined ? {} : { description }),
    ...(peer === 'kubeedge' && Object.keys(twin).length === 0 ? {} : { twin }),
    ...(peer === 'kubeedge' ? {} : { hivelet: extensionOf(view, clusterUid) }),
  };
}

function extensionOf(view: DeviceView, clusterUid: string): DeviceEntry['hivelet'] {
  const { uid, namespace, resourceVersion, hash, profile } = view;
  return { uid, namespace, cluster_uid: clusterUid, resource_version: resourceVersion, hash, profile };
}

/**
 * Our edges: every property of the profile, one without `expected` is withdrawn. KubeEdge (cloud-edge-transport.md 8.1): one per twin of
 * the object, `''` when no value is desired, the type that the desired value names.
 */
export function twinsOf(view: DeviceView, { peer, now }: Dialect): Record<string, MsgTwin> {
  const expected = (value: string): MsgTwin => ({ expected: { value, metadata: { timestamp: now } } });
  const ours = peer === 'hivelet';
  const told = new Set(view.twins);
  const properties = ours ? view.profile.properties : view.profile.properties.filter(({ name }) => told.has(name));
  return Object.fromEntries(
    properties.map(({ name, type, desired }): [string, MsgTwin] => [
      name,
      {
        ...(desired === undefined && ours ? {} : expected(desired?.value ?? '')),
        optional: false,
        metadata: { type: ours ? type : (desired?.type ?? 'string') },
        expected_version: { cloud: view.resourceVersion, edge: 0 },
      },
    ]),
  );
}

/** Devices that are new for the node or changed, and ids that are no longer its own. */
export function membershipMessage(now: number, change: { added?: DeviceEntry[]; removed?: readonly string[] }): BeehiveMessage {
  const content: MembershipUpdate = {
    event_id: randomUUID(),
    timestamp: now,
    added_devices: change.added ?? null,
    removed_devices: change.removed?.map((id) => ({ id, name: id })) ?? null,
  };
  return downMessage(now, membership, content);
}

/** Answers `membership/detail`; without a parent id, because edgehubs up to v1.22 swallow answers of the twin group. */
export function detailMessage(now: number, detail: Omit<MembershipDetail, 'event_id' | 'timestamp'>): BeehiveMessage {
  const content: MembershipDetail = { event_id: randomUUID(), timestamp: now, ...detail };
  return downMessage(now, membershipDetail, content);
}

export function downMessage(now: number, resource: string, content: unknown): BeehiveMessage {
  return createMessage(now, { source: source.devicecontroller, group: group.twin, operation: operation.update, resource, content });
}
