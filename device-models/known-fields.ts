/** Owns the field names that Devices and DeviceModels have, to catch slips such as `propertyVisitor` or `registr`. */
import { isStray } from './bluetooth-visitor.ts';
import { fieldsOf, listOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { nearestName } from './nearest-name.ts';
import type { Problem } from './problem.ts';

/** What a mapping may hold: `null` = anything below; a list is described by its entries. */
interface Shape {
  readonly [name: string]: Shape | null;
}

const modbus: Shape = { register: null, offset: null, limit: null, scale: null, isSwap: null, isRegisterSwap: null };
const bluetooth: Shape = {
  characteristicUUID: null,
  serviceUUID: null,
  signed: null,
  scale: null,
  dataWrite: null,
  dataConverter: {
    signed: null,
    startIndex: null,
    endIndex: null,
    shiftLeft: null,
    shiftRight: null,
    orderOfOperations: { operationType: null, operationValue: null },
  },
};
const customized: Shape = { protocolName: null, configData: null };
const reportPolicy: Shape = { mode: null, deadband: null, heartbeat: null };
const visitor: Shape = {
  propertyName: null,
  reportCycle: null,
  collectCycle: null,
  reportPolicy,
  customizedValues: null,
  opcua: { nodeID: null, browseName: null },
  modbus,
  bluetooth,
  customizedProtocol: customized,
  // Told with a better sentence when the visitors are read.
  dataConverter: null,
  dataWrite: null,
};
const line: Shape = { serialPort: null, baudRate: null, dataBits: null, parity: null, stopBits: null };
const value: Shape = { value: null, metadata: null };
const typed: Shape = { accessMode: null, defaultValue: null, minimum: null, maximum: null, unit: null };
const head: Shape = { apiVersion: null, kind: null, metadata: null };

const model: Shape = {
  ...head,
  status: null,
  spec: {
    protocol: null,
    protocolConfigData: null,
    propertyVisitors: visitor,
    properties: {
      name: null,
      description: null,
      type: { int: typed, string: typed, double: typed, float: typed, boolean: typed, bytes: typed },
      ...typed,
      visitors: customized,
      reportPolicy,
    },
  },
};

const device: Shape = {
  ...head,
  spec: {
    deviceModelRef: { name: null },
    nodeName: null,
    nodeSelector: { nodeSelectorTerms: { matchExpressions: { key: null, operator: null, values: null }, matchFields: null } },
    protocol: {
      opcua: {
        url: null,
        userName: null,
        password: null,
        securityPolicy: null,
        securityMode: null,
        certificate: null,
        privateKey: null,
        timeout: null,
      },
      modbus: { slaveID: null, timeout: null, rtu: { ...line, slaveID: null }, tcp: { ip: null, port: null, slaveID: null } },
      bluetooth: { macAddress: null, timeout: null },
      customizedProtocol: customized,
      common: {
        com: line,
        tcp: { ip: null, port: null },
        commType: null,
        reconnTimeout: null,
        reconnRetryTimes: null,
        collectTimeout: null,
        collectRetryTimes: null,
        collectType: null,
        customizedValues: null,
      },
      ...customized,
    },
    propertyVisitors: visitor,
    properties: {
      name: null,
      desired: value,
      visitors: customized,
      reportCycle: null,
      collectCycle: null,
      reportPolicy,
      reportToCloud: null,
      pushMethod: null,
    },
    data: { dataProperties: { propertyName: null, metadata: null }, dataTopic: null },
    methods: null,
    stateReport: null,
  },
  status: null,
};

/** A warning for each field that nothing reads, with the name that was probably meant. */
export function unknownFields(kind: string, content: Fields): Problem[] {
  return walk(content, kind === 'Device' ? device : model, '');
}

function walk(at: unknown, shape: Shape, path: string): Problem[] {
  if (Array.isArray(at)) return listOf(at).flatMap((entry, index) => walk(entry, shape, `${path}[${index}]`));
  const fields = fieldsOf(at) ?? {};
  return Object.entries(fields).flatMap(([name, below]) => {
    const where = path === '' ? name : `${path}.${name}`;
    const known = Object.hasOwn(shape, name) ? shape[name] : undefined;
    if (known === null) return [];
    if (known !== undefined) return walk(below, known, where);
    // Told with a better sentence when the visitors are read.
    if (shape === bluetooth && isStray(fields, name)) return [];
    const nearest = nearestName(name, Object.keys(shape));
    const remedy = nearest === undefined ? 'remove it' : `did you mean ${nearest}?`;
    return [{ severity: 'warn' as const, path: where, message: `no such field, nothing reads it: ${remedy}` }];
  });
}
