/** Owns the one internal form of a device: what every generation of Device and DeviceModel is read into (DESIGN D4). */
import type { ReportPolicy } from './report-policy.ts';
import type { ValueType } from './values.ts';

/** Everything a node needs to run one device. Plain JSON: it crosses the link and is stored as it is. */
export interface DeviceProfile {
  /** metadata.uid of the Device; '' for devices that did not come from an API (seeded or read from a file). */
  uid: string;
  namespace: string;
  /** metadata.name: the device id on all topics. */
  name: string;
  /** Label `description`, as KubeEdge takes it. */
  description?: string;
  /** Name of the node it is bound to; undefined when nodeSelector/nodeName names none. */
  node?: string;
  /** Name of the DeviceModel. */
  model: string;
  /** "modbus", "iio", "opcua", "bluetooth", or the name of a customized protocol; '' when the Device has no protocol. */
  protocol: string;
  /** The protocol block, flattened: `protocol.<kind>` + `protocol.common.{com,tcp,...}` + customizedValues, as written. The plugin reads it. */
  protocolConfig: Record<string, unknown>;
  properties: PropertyProfile[];
  /** Time series (spec.data): topic with `+` already replaced by the device id, and the names published on it. */
  data?: { topic: string; properties: string[] };
}

export interface PropertyProfile {
  name: string;
  description?: string;
  type: ValueType;
  accessMode: 'ReadWrite' | 'ReadOnly';
  /** Decimal texts, so that int64 keeps all digits. */
  minimum?: string;
  maximum?: string;
  /** Of the model, as text. Nothing of ours writes it to a device; mappers of others read it in deviceProfile.json. */
  defaultValue?: string;
  unit?: string;
  /** Absent: the property has a twin, but no mapper of ours reads it. */
  visitor?: { protocol: string; config: Record<string, unknown> };
  /** How often it is read, ms. */
  collectCycleMs: number;
  /** How often it is reported even when unchanged, ms; 0 = none given. */
  reportCycleMs: number;
  /** Absent: on change, at least every report cycle. */
  reportPolicy?: ReportPolicy;
  /** Half of the visitor's |scale|: two numbers closer than this are the same value. 0 when exact. */
  tolerance: number;
  /** What the API wants; absent = withdrawn or never set. */
  desired?: { value: string; type?: string };
}
