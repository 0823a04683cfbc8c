/** Owns what a plant is: simulated devices of one protocol, their objects for the API, and what can happen to them. */
import type { KubeObjectInput } from '#cloud/store/kube-api.ts';

export interface PlantDevice {
  /** Of the Device object. */
  readonly name: string;
  /** The property that is followed. */
  readonly property: string;
  /** The n-th value, as a twin writes it; neighbours differ. */
  text(n: number): string;
  /** What the device itself holds, as a twin would write it. */
  held(): string | undefined;
  /** Present where the property is read-only: the device changes it by itself. */
  readonly change?: (text: string) => Promise<void>;
}

/** Begins it; what it resolves with ends it. */
export interface PlantFault {
  readonly name: string;
  begin(): Promise<() => Promise<void>>;
}

export interface Plant {
  readonly protocol: string;
  /** Settings of an edge that serves it. */
  readonly sets: readonly string[];
  readonly model: KubeObjectInput;
  readonly objects: readonly KubeObjectInput[];
  readonly devices: readonly PlantDevice[];
  /** What can happen to it; each call offers fresh ones. Faults of different devices may overlap. */
  readonly faults: readonly PlantFault[];
  stop(): Promise<void>;
}

export interface PlantOptions {
  readonly node: string;
  readonly devices: number;
  /** How often each is read, ms. */
  readonly cycleMs: number;
}

/** A Device (v1alpha2) of this node with one property. */
export function deviceObject(options: {
  name: string;
  model: string;
  node: string;
  property: string;
  protocol: Record<string, unknown>;
  visitor: Record<string, unknown>;
  cycleMs: number;
}): KubeObjectInput {
  const { name, model, node, property, protocol, visitor, cycleMs } = options;
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      deviceModelRef: { name: model },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: [node] }] }] },
      protocol,
      propertyVisitors: [{ propertyName: property, collectCycle: cycleMs * 1_000_000, ...visitor }],
    },
  };
}

export function modelObject(name: string, property: string, type: Record<string, unknown>): KubeObjectInput {
  return { metadata: { name, namespace: 'default' }, spec: { properties: [{ name: property, type }] } };
}
