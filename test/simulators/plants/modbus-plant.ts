/** Owns the plant of Modbus TCP devices: some with a socket of their own, two behind one gateway; dead, slow, busy, refusing, restarted. */
import { TcpRelay } from '#mappers/contract-test/relay.ts';
import { ModbusUnit, startModbusServer } from '#mappers/modbus/server.ts';
import { deviceObject, modelObject, type Plant, type PlantDevice, type PlantFault, type PlantOptions } from './plant.ts';

const MODEL = 'modbus-plant';
const PROPERTY = 'setpoint';
const GATEWAY_UNITS = 2;
const SLAVE_DEVICE_BUSY = 6;
const WRITES: readonly number[] = [5, 6, 15, 16];
/** Below it a device that is slow answers, above it answers come too late. */
const SLOW_MS = 400;
const TIMEOUT_MS = 600;

class PlantUnit extends ModbusUnit {
  busy = false;
  dead = false;

  constructor() {
    super();
    this.set('holding', 0, 0);
  }

  override answer(pdu: Buffer): Buffer {
    const code = pdu[0] ?? 0;
    return this.busy && WRITES.includes(code) ? Buffer.from([code | 0x80, SLAVE_DEVICE_BUSY]) : super.answer(pdu);
  }
}

interface Line {
  relay: TcpRelay;
  units: PlantUnit[];
  stop(): Promise<void>;
}

async function startLine(count: number): Promise<Line> {
  const units = Array.from({ length: count }, () => new PlantUnit());
  const server = await startModbusServer({
    unit: (id) => {
      const unit = units[id - 1];
      return unit?.dead === true ? undefined : unit;
    },
  });
  const relay = new TcpRelay({ port: server.port });
  await relay.restore();
  return {
    relay,
    units,
    stop: async () => {
      await relay.cut();
      await server.close();
    },
  };
}

export async function startModbusPlant({ node, devices, cycleMs }: PlantOptions): Promise<Plant> {
  const alone = Math.max(1, devices - GATEWAY_UNITS);
  const lines = await Promise.all([
    ...Array.from({ length: alone }, () => startLine(1)),
    ...(devices > alone ? [startLine(devices - alone)] : []),
  ]);
  const placed = lines.flatMap((line) => line.units.map((unit, index) => ({ line, unit, slaveID: index + 1 })));
  const nameOf = (index: number): string => `modbus-${index}`;
  return {
    protocol: 'modbus',
    sets: [],
    model: modelObject(MODEL, PROPERTY, { int: { accessMode: 'ReadWrite', minimum: 0, maximum: 65_535 } }),
    objects: placed.map(({ line, slaveID }, index) =>
      deviceObject({
        name: nameOf(index),
        model: MODEL,
        node,
        property: PROPERTY,
        cycleMs,
        protocol: {
          modbus: { slaveID },
          common: { tcp: { ip: '127.0.0.1', port: line.relay.port }, customizedValues: { timeout: TIMEOUT_MS } },
        },
        visitor: { modbus: { register: 'HoldingRegister', offset: 0, limit: 1, scale: 1 } },
      }),
    ),
    devices: placed.map(({ unit }, index): PlantDevice => ({
      name: nameOf(index),
      property: PROPERTY,
      text: (n) => String((n % 60_000) + 1),
      held: () => String(unit.get('holding', 0)),
    })),
    faults: [
      ...lines.flatMap((line, index) => faultsOf(line, `line ${index}`)),
      ...placed.map(({ unit }, index) => dead(unit, nameOf(index))),
    ],
    stop: async () => {
      await Promise.all(lines.map((line) => line.stop()));
    },
  };
}

function faultsOf({ relay, units }: Line, name: string): PlantFault[] {
  return [
    {
      name: `${name} hangs`,
      begin: async () => {
        await relay.silence();
        return () => relay.speak();
      },
    },
    {
      name: `${name} is slow`,
      begin: async () => {
        await relay.slow(SLOW_MS);
        return () => relay.slow(0);
      },
    },
    {
      name: `${name} refuses connections`,
      begin: async () => {
        await relay.cut();
        return () => relay.restore();
      },
    },
    {
      name: `${name} is restarted and has forgotten`,
      begin: async () => {
        await relay.cut();
        for (const unit of units) unit.set('holding', 0, 0);
        return () => relay.restore();
      },
    },
    {
      name: `${name} is busy`,
      begin: async () => {
        for (const unit of units) unit.busy = true;
        return async () => {
          for (const unit of units) unit.busy = false;
        };
      },
    },
  ];
}

function dead(unit: PlantUnit, name: string): PlantFault {
  return {
    name: `${name} is dead`,
    begin: async () => {
      unit.dead = true;
      return async () => void (unit.dead = false);
    },
  };
}
