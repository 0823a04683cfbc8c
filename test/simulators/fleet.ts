/** Owns a fleet of simulated edges in one process: real websockets with a certificate each, for measurements and for trials with several clouds. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { issueNode } from '#cloud/pki/certificates.ts';
import { cloudFiles } from '#cloud/pki/init.ts';
import type { KubeObjectInput } from '#cloud/store/kube-api.ts';
import { FleetNode, type FleetNodeOptions } from './fleet-node.ts';

export const FLEET_MODEL = 'fleet-sensor';
export const FLEET_PROPERTY = 'level';

export interface FleetOptions {
  /** Data directory of a cloud: its authority signs the certificates. */
  dataDir: string;
  nodes: number;
  /** Ports of the hubs; a node takes the next one after each failure. */
  ports: readonly number[];
  desired?: FleetNodeOptions['desired'];
  /** Default 500 ms to 2 s. */
  backoffMs?: FleetNodeOptions['backoffMs'];
}

export interface Fleet {
  readonly nodes: readonly FleetNode[];
  /** What must never happen and did: an older desired value after a newer one, for instance. */
  readonly faults: readonly string[];
  stop(): void;
}

export const nodeName = (index: number): string => `fleet-${String(index).padStart(4, '0')}`;
export const deviceName = (node: number, device: number): string => `${nodeName(node)}-d${String(device)}`;

/** Makes the nodes without connecting them: call `connect` of each at a pace that is to be tried. */
export async function createFleet(options: FleetOptions): Promise<Fleet> {
  const { dataDir, nodes: count, ports, desired = () => undefined, backoffMs = () => 500 + Math.random() * 1500 } = options;
  const files = cloudFiles(dataDir);
  const read = (file: string): Promise<string> => readFile(file, 'utf8');
  const authority = { certificate: await read(files.authority.certificate), key: await read(files.authority.key) };
  const faults: string[] = [];
  const nodes: FleetNode[] = [];
  for (let index = 0; index < count; index++) {
    const name = nodeName(index);
    const { certificate, key } = await issueNode(authority, { node: name, now: Date.now() });
    let attempt = index;
    nodes.push(
      new FleetNode({
        name,
        store: randomUUID(),
        tls: { ca: authority.certificate, cert: certificate, key },
        port: () => ports[attempt++ % ports.length] ?? 0,
        backoffMs,
        desired,
        fault: (text) => {
          if (faults.length < 100) faults.push(text);
        },
      }),
    );
  }
  return {
    nodes,
    faults,
    stop: () => {
      for (const node of nodes) node.stop();
    },
  };
}

/** The DeviceModel of all devices of a fleet: one writable whole number. */
export function fleetModel(): KubeObjectInput {
  return {
    metadata: { name: FLEET_MODEL, namespace: 'default' },
    spec: { properties: [{ name: FLEET_PROPERTY, type: { int: { accessMode: 'ReadWrite', defaultValue: 0 } } }] },
  };
}

export function fleetDevice(node: number, device: number): KubeObjectInput {
  const name = deviceName(node, device);
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      deviceModelRef: { name: FLEET_MODEL },
      nodeSelector: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName(node)] }] }],
      },
      protocol: { customizedProtocol: { protocolName: 'fleet' } },
      propertyVisitors: [{ propertyName: FLEET_PROPERTY, customizedProtocol: { protocolName: 'fleet', configData: {} } }],
    },
    status: { twins: [{ propertyName: FLEET_PROPERTY, desired: { value: '0', metadata: { type: 'int' } } }] },
  };
}
