/** Owns the bodies of device messages, on MQTT and on the link (reference/mqtt-topics.md section 3, cloud-edge-transport.md section 8). */
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { Doubt } from './quality.ts';
import type { WriteOutcome } from './write-outcome.ts';

export interface TwinVersion {
  cloud: number;
  edge: number;
}

export interface TwinValue {
  value?: string;
  metadata?: { /** Unix ms. */ timestamp?: number };
}

export interface MsgTwin {
  expected?: TwinValue;
  actual?: TwinValue;
  optional?: boolean;
  metadata?: { type?: string };
  expected_version?: TwinVersion;
  actual_version?: TwinVersion;
  /** Ours, edge to cloud: `expected` is a local override of what the API wants. */
  override?: boolean;
  /** Ours, mapper to edge to cloud: what became of the desired value at the device. */
  write?: WriteOutcome;
  /** Ours, mapper to edge to cloud: why `actual` is not good, or why there is none; with an `actual` and without this it is good. */
  quality?: Doubt;
}

export interface MsgAttr {
  value: string;
  optional?: boolean;
  metadata?: { type?: string };
}

/** One device inside a membership message. */
export interface DeviceEntry {
  id: string;
  name?: string;
  description?: string;
  state?: string;
  last_online?: string;
  attributes?: Record<string, MsgAttr | null>;
  /** Between our two sides: every property of the profile; one without `expected` is withdrawn. */
  twin?: Record<string, MsgTwin | null>;
  hivelet?: DeviceExtension;
}

/** What our cloud adds to a device entry. */
export interface DeviceExtension {
  /** metadata.uid of the Device. */
  uid: string;
  namespace: string;
  /** uid of Namespace kube-system. */
  cluster_uid: string;
  /** metadata.resourceVersion that the desired values were read at; also in expected_version.cloud. */
  resource_version: number;
  /** Hash over spec, model and desired; the edge stores it and offers it on the next connect. */
  hash: string;
  profile: DeviceProfile;
}

/** group twin, resource `membership`, operation update. */
export interface MembershipUpdate {
  event_id: string;
  timestamp: number;
  added_devices: DeviceEntry[] | null;
  removed_devices: DeviceEntry[] | null;
}

/** group resource, resource `membership/detail`, operation get; travels as JSON text. */
export interface MembershipDetailRequest {
  event_type: 'group_membership_event';
  event_id: string;
  group_id: string;
  operation: 'detail';
  timestamp: number;
  /**
   * Ours: device uid -> hash of what the edge has, the cluster it came from, and the newest `resourceVersion` that it was told of: a cloud
   * that has not seen that yet answers when it has.
   */
  hivelet?: { cluster_uid: string; known: Record<string, string>; version?: number };
}

/** group twin, resource `membership/detail`, operation update: everything that is bound to the node. */
export interface MembershipDetail {
  event_id: string;
  timestamp: number;
  devices: DeviceEntry[];
  /** Ours: `unchanged` are ids whose hash the edge already has; they are not in `devices`. `removed` are known to be deleted or bound elsewhere. */
  hivelet?: { cluster_uid: string; unchanged: string[]; removed: string[] };
}

/**
 * Down: group twin, resource `device/<id>/twin/cloud_updated`. Up: group resource, `device/<id>/twin/edge_updated`.
 * Between our two sides a cloud_updated lists every property; one without `expected` is withdrawn.
 */
export interface TwinMessage {
  event_id: string;
  timestamp: number;
  twin: Record<string, MsgTwin | null>;
  hivelet?: TwinExtension;
}

export interface TwinExtension {
  /** metadata.uid of the Device; '' when the edge does not know it. */
  uid: string;
  cluster_uid: string;
  /** Down only. */
  resource_version?: number;
  /** Down only: the new hash of the device. */
  hash?: string;
}

/** Up: group resource, resource `device/<id>/state/update`; travels as JSON text. */
export interface StateMessage {
  event_id: string;
  timestamp: number;
  device: {
    name: string;
    state: string;
    /** `YYYY-MM-DD hh:mm:ss`, local time, as KubeEdge writes it. */
    last_online?: string;
    /** Ours: one sentence, why it is not online. */
    reason?: string;
  };
  /** Ours: monotonic per device and store. */
  hivelet?: { uid: string; version: number };
}

/** Ours, up: group resource, resource `devices/last-seen`, operation update: age in ms per device id, measured monotonically. */
export interface LastSeenMessage {
  ages: Record<string, number>;
}
