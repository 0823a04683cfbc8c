/** Owns the plant of Modbus RTU devices on one serial line: silent, noisy, its adapter unplugged; units dead, late, broken, forgetful. */
import { SerialPort } from 'serialport';
import path from 'node:path';
import crc16 from 'modbus-serial/utils/crc16.js';
import { withCrc } from '#mappers/modbus/rtu.ts';
import { ModbusUnit } from '#mappers/modbus/server.ts';
import { pause, random } from '#test/support/soak/storm.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { startSerialLine, type SerialLine } from '../modbus-peers.ts';
import { deviceObject, modelObject, type Plant, type PlantDevice, type PlantFault, type PlantOptions } from './plant.ts';

const MODEL = 'serial-plant';
const PROPERTY = 'setpoint';
const BAUD_RATE = 115_200;
const TIMEOUT_MS = 300;
/** An answer that comes so late is none, and must not be taken for that to the next request. */
const LATE_MS = 450;
/** From a request that was not answered to its miss, with the second attempt that noise costs. */
const NOTICED_MS = 5 * TIMEOUT_MS;
const NOISE_MS = 25;
const NOISE_BYTES = 12;
/** A request of one register, to read it or to write it. */
const REQUEST_BYTES = 8;

class LineUnit extends ModbusUnit {
  dead = false;
  /** Without power. */
  off = false;
  late = false;
  /** Its frames have a wrong CRC. */
  broken = false;
  /** Requests that it left unanswered since it answered last. */
  unanswered = 0;

  constructor() {
    super();
    this.set('holding', 0, 0);
  }
}

/** The devices' end of the line; the adapter at the other end has a name that stays. */
class Line {
  readonly adapter = path.join(tempDir(), 'adapter');
  readonly units: readonly LineUnit[];
  silent = false;
  readonly #draw = random(1);
  #noise: NodeJS.Timeout | undefined;
  #cable: SerialLine | undefined;
  #port: SerialPort | undefined;
  #received: Buffer = Buffer.alloc(0);

  constructor(units: readonly LineUnit[]) {
    this.units = units;
  }

  async plug(): Promise<void> {
    this.#cable = await startSerialLine({ link: this.adapter });
    const port = new SerialPort({ path: this.#cable.slave, baudRate: BAUD_RATE, autoOpen: false });
    await new Promise<void>((resolve, reject) => port.open((error) => (error === null ? resolve() : reject(error))));
    this.#received = Buffer.alloc(0);
    this.#port = port;
    port.on('error', () => undefined);
    port.on('data', (bytes: Buffer) => this.#receive(bytes));
  }

  async unplug(): Promise<void> {
    const port = this.#port;
    this.#port = undefined;
    await this.#cable?.stop();
    if (port?.isOpen === true) await new Promise<void>((resolve) => port.close(() => resolve()));
  }

  hum(on: boolean): void {
    clearInterval(this.#noise);
    this.#noise = on ? setInterval(() => this.#send(this.#noiseBytes()), NOISE_MS) : undefined;
  }

  #noiseBytes(): Buffer {
    return Buffer.from(Array.from({ length: 1 + Math.floor(this.#draw() * NOISE_BYTES) }, () => Math.floor(this.#draw() * 256)));
  }

  #send(bytes: Buffer): void {
    if (this.#port?.isOpen === true) this.#port.write(bytes);
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= REQUEST_BYTES) {
      const frame = this.#received.subarray(0, REQUEST_BYTES);
      // What was under way when the cable was plugged in is no frame: the next begins somewhere behind.
      const isWhole = crc16(frame.subarray(0, -2)) === frame.readUInt16LE(REQUEST_BYTES - 2);
      this.#received = this.#received.subarray(isWhole ? REQUEST_BYTES : 1);
      if (isWhole) this.#asked(frame[0] ?? 0, frame.subarray(1, -2));
    }
  }

  #asked(id: number, pdu: Buffer): void {
    const unit = this.units[id - 1];
    if (unit === undefined) return;
    if (unit.dead || unit.off || this.silent) {
      unit.unanswered++;
      return;
    }
    const frame = withCrc(Buffer.from([id, ...unit.answer(pdu)]));
    const isGarbled = unit.broken || (this.#noise !== undefined && this.#draw() < 0.5);
    if (isGarbled) {
      frame.writeUInt8((frame[2] ?? 0) ^ 0x10, 2);
      unit.unanswered++;
    } else unit.unanswered = 0;
    if (unit.late) setTimeout(() => this.#send(frame), LATE_MS);
    else this.#send(frame);
  }
}

export async function startSerialPlant({ node, devices, cycleMs }: PlantOptions): Promise<Plant> {
  const line = new Line(Array.from({ length: devices }, () => new LineUnit()));
  await line.plug();
  const nameOf = (index: number): string => `serial-${index}`;
  return {
    protocol: 'modbus',
    sets: [`modules.mapperHost.allowedSerialPorts=${line.adapter}`],
    model: modelObject(MODEL, PROPERTY, { int: { accessMode: 'ReadWrite', minimum: 0, maximum: 65_535 } }),
    objects: line.units.map((_, index) =>
      deviceObject({
        name: nameOf(index),
        model: MODEL,
        node,
        property: PROPERTY,
        cycleMs,
        protocol: {
          modbus: { slaveID: index + 1 },
          common: { com: { serialPort: line.adapter, baudRate: BAUD_RATE }, customizedValues: { timeout: TIMEOUT_MS } },
        },
        visitor: { modbus: { register: 'HoldingRegister', offset: 0, limit: 1, scale: 1 } },
      }),
    ),
    devices: line.units.map((unit, index): PlantDevice => ({
      name: nameOf(index),
      property: PROPERTY,
      text: (n) => String((n % 60_000) + 1),
      held: () => String(unit.get('holding', 0)),
    })),
    faults: [...faultsOfLine(line), ...line.units.flatMap((unit, index) => faultsOf(unit, { name: nameOf(index), cycleMs }))],
    stop: async () => {
      line.hum(false);
      await line.unplug();
    },
  };
}

function faultsOfLine(line: Line): PlantFault[] {
  return [
    {
      name: 'the serial line is silent',
      begin: async () => {
        line.silent = true;
        return async () => void (line.silent = false);
      },
    },
    {
      name: 'the serial line is noisy',
      begin: async () => {
        line.hum(true);
        return async () => line.hum(false);
      },
    },
    {
      name: 'the serial adapter is unplugged',
      begin: async () => {
        await line.unplug();
        return () => line.plug();
      },
    },
  ];
}

function faultsOf(unit: LineUnit, { name, cycleMs }: { name: string; cycleMs: number }): PlantFault[] {
  const during = (key: 'dead' | 'late' | 'broken', what: string): PlantFault => ({
    name: `${name} ${what}`,
    begin: async () => {
      unit[key] = true;
      return async () => void (unit[key] = false);
    },
  });
  return [
    during('dead', 'is dead'),
    during('late', 'answers too late'),
    during('broken', 'sends frames with a wrong CRC'),
    { name: `${name} is restarted and has forgotten`, begin: () => forget(unit, cycleMs) },
  ];
}

/** Who was not missed cannot have been away: it comes back when it was asked in vain for two cycles. */
async function forget(unit: LineUnit, cycleMs: number): Promise<() => Promise<void>> {
  unit.off = true;
  unit.set('holding', 0, 0);
  return async () => {
    await until(() => unit.unanswered > 0, { what: 'a request to the unit that restarts', deadlineMs: 120_000 });
    await pause(2 * cycleMs + NOTICED_MS);
    unit.off = false;
  };
}
