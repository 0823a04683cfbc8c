/** Owns Device and DeviceModel objects of tests: a thermostat with a setpoint and a temperature. */
import { deviceModels, devices, type KubeObject } from '#cloud/store/kube-api.ts';

export interface DeviceOptions {
  name?: string;
  namespace?: string;
  uid?: string;
  version?: number;
  created?: string;
  node?: string;
  model?: string;
  /** Text of setpoint; null = a twin without a desired value. */
  desired?: string | null;
  status?: Record<string, unknown>;
}

/** v1alpha2. */
export function thermostat(options: DeviceOptions = {}): KubeObject {
  const { name = 'thermo', namespace = 'default', uid = `uid-${namespace}-${name}`, version = 7, node = 'pi' } = options;
  const { created = '2026-01-01T00:00:00Z', model = 'therm', desired = '21' } = options;
  return {
    apiVersion: `${devices.group}/${devices.version}`,
    kind: 'Device',
    metadata: { name, namespace, uid, resourceVersion: String(version), creationTimestamp: created },
    spec: {
      deviceModelRef: { name: model },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: [node] }] }] },
    },
    status: options.status ?? {
      twins: [{ propertyName: 'setpoint', ...(desired === null ? {} : { desired: { value: desired, metadata: { type: 'int' } } }) }],
    },
  };
}

export function thermostatModel(options: { name?: string; namespace?: string; maximum?: number; version?: number } = {}): KubeObject {
  const { name = 'therm', namespace = 'default', maximum = 100, version = 3 } = options;
  return {
    apiVersion: `${deviceModels.group}/${deviceModels.version}`,
    kind: 'DeviceModel',
    metadata: { name, namespace, uid: `uid-model-${name}`, resourceVersion: String(version) },
    spec: {
      properties: [
        { name: 'setpoint', type: { int: { accessMode: 'ReadWrite', minimum: 0, maximum } } },
        { name: 'temperature', type: { float: { accessMode: 'ReadOnly' } } },
      ],
    },
  };
}
