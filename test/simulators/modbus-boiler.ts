/** Owns a Modbus boiler for tests: its setpoint is written, its limit refuses writes, and its line can be slow or swallow writes. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import type { KubeObjectInput } from '#cloud/store/kube-api.ts';
import { ModbusUnit, startModbusServer } from '#mappers/modbus/server.ts';

export interface Boiler {
  readonly port: number;
  readonly unit: ModbusUnit;
  /** Each answer comes so late, ms. */
  delayMs: number;
  /** Writes get no answer and have no effect. */
  deaf: boolean;
  /** Nothing is answered at all. */
  mute: boolean;
  close(): Promise<void>;
}

/** Zero based holding registers. */
export const REGISTER = { setpoint: 0, temperature: 1, limit: 5 } as const;
const WRITES = new Set([5, 6, 15, 16]);
const FUNCTION_AT = 7;

class BoilerUnit extends ModbusUnit {
  override answer(pdu: Buffer): Buffer {
    const code = pdu[0] ?? 0;
    return WRITES.has(code) && pdu.readUInt16BE(1) === REGISTER.limit ? Buffer.from([code | 0x80, 2]) : super.answer(pdu);
  }
}

export async function startBoiler(): Promise<Boiler> {
  const unit = new BoilerUnit().set('holding', REGISTER.setpoint, 200, 195).set('holding', REGISTER.limit, 90);
  const server = await startModbusServer({ unit: () => unit });
  const sockets = new Set<Socket>();
  // One request a frame: our mapper sends the next one when the answer is there.
  const line = createServer((near) => {
    const far = connect(server.port, '127.0.0.1');
    sockets.add(near.on('error', () => undefined).on('close', () => far.destroy()));
    far.on('error', () => undefined).on('close', () => near.destroy());
    near.on('data', (frame) => {
      if (!boiler.mute && (!boiler.deaf || !WRITES.has(frame[FUNCTION_AT] ?? 0))) far.write(frame);
    });
    far.on('data', (frame) => void setTimeout(() => near.write(frame), boiler.delayMs));
  });
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve));
  const boiler: Boiler = {
    port: (line.address() as AddressInfo).port,
    unit,
    delayMs: 0,
    deaf: false,
    mute: false,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      line.close();
      await server.close();
    },
  };
  return boiler;
}

export const boilerModel: KubeObjectInput = {
  metadata: { name: 'boiler-model', namespace: 'default' },
  spec: {
    properties: [
      { name: 'setpoint', type: { float: { accessMode: 'ReadWrite', minimum: 5, maximum: 95 } } },
      { name: 'limit', type: { int: { accessMode: 'ReadWrite' } } },
      { name: 'temperature', type: { float: { accessMode: 'ReadOnly' } } },
    ],
  },
};

/** v1alpha2, read every 200 ms. */
export function boilerDevice(options: { port: number; name?: string; node?: string; desired?: Record<string, string> }): KubeObjectInput {
  const { port, name = 'boiler', node = 'pi', desired = {} } = options;
  const visitor = (propertyName: keyof typeof REGISTER, scale: number) => ({
    propertyName,
    collectCycle: 200_000_000,
    modbus: { register: 'HoldingRegister', offset: REGISTER[propertyName], limit: 1, scale },
  });
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'boiler-model' },
      nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [{ key: '', operator: 'In', values: [node] }] }] },
      protocol: { modbus: { slaveID: 1 }, common: { tcp: { ip: '127.0.0.1', port }, customizedValues: { timeout: 500 } } },
      propertyVisitors: [visitor('setpoint', 0.1), visitor('limit', 1), visitor('temperature', 0.1)],
    },
    status: { twins: Object.entries(desired).map(([propertyName, value]) => ({ propertyName, desired: { value } })) },
  };
}
