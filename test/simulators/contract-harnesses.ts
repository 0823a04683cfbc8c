/** Owns what the contract test needs to know of the protocols that run inside: Modbus TCP, Modbus RTU on a pseudo terminal, IIO. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SerialPort } from 'serialport';
import { TcpRelay, type ContractHarness, type DeviceUnderTest, type TestPoint } from '#mappers/contract-test/index.ts';
import type { IioChannel, IioLink } from '#mappers/iio/channel.ts';
import { createIioPlugin } from '#mappers/iio/plugin.ts';
import type { ModbusAccess } from '#mappers/modbus/access.ts';
import type { ModbusLink } from '#mappers/modbus/link.ts';
import { createModbusPlugin } from '#mappers/modbus/plugin.ts';
import { withCrc } from '#mappers/modbus/rtu.ts';
import { ModbusUnit, startModbusServer } from '#mappers/modbus/server.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { startSerialLine } from './modbus-peers.ts';

const UNIT = 1;
/** Register 2000 is there, 4000 is not, and 2001 takes no more than 100. */
const WRITABLE = 2000;
const CHOOSY = 2001;
const MISSING = 4000;

const register = (name: string, offset: number): TestPoint => ({ name, type: 'int', visitor: { register: 'HoldingRegister', offset } });

/** Refuses values as a device does: by an exception. */
class ChoosyUnit extends ModbusUnit {
  override answer(pdu: Buffer): Buffer {
    const refused = pdu[0] === 6 && pdu.readUInt16BE(1) === CHOOSY && pdu.readUInt16BE(3) > 100;
    return refused ? Buffer.of(0x86, 3) : super.answer(pdu);
  }
}

function modbusUnit(points: number): ModbusUnit {
  const unit = new ChoosyUnit();
  for (let address = 0; address < points; address++) unit.set('holding', address, address);
  return unit.set('holding', WRITABLE, 20).set('holding', CHOOSY, 20);
}

const modbusPoints = {
  points: (count: number) => Array.from({ length: count }, (_, index) => register(`r${index}`, index)),
  bad: register('bad', MISSING),
  writable: { point: register('writable', WRITABLE), values: [215n, 18n] },
  refusing: { point: register('choosy', CHOOSY), value: 1000n },
} as const;

export const modbusTcpHarness: ContractHarness<ModbusLink, ModbusAccess> = {
  plugin: createModbusPlugin(),
  async start(): Promise<DeviceUnderTest> {
    const unit = modbusUnit(1000);
    const server = await startModbusServer({ unit: (id) => (id === UNIT ? unit : undefined) });
    const relay = new TcpRelay(server);
    await relay.restore();
    return {
      link: { ip: '127.0.0.1', port: relay.port, slaveID: UNIT, timeout: 1000 },
      ...modbusPoints,
      ...relay.faults,
      async stop() {
        await relay.cut();
        await server.close();
      },
    };
  },
};

/** A slave on a serial port: answers each request of 8 bytes for its unit. */
class SerialSlave {
  silent = false;
  delayMs = 0;
  readonly #port: SerialPort;
  #received: Buffer = Buffer.alloc(0);

  constructor(file: string, unit: ModbusUnit) {
    this.#port = new SerialPort({ path: file, baudRate: 115_200, autoOpen: false });
    this.#port.on('error', () => undefined);
    this.#port.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      for (; this.#received.length >= 8; this.#received = this.#received.subarray(8)) this.#answer(this.#received.subarray(0, 8), unit);
    });
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => this.#port.open((error) => (error === null ? resolve() : reject(error))));
  }

  close(): Promise<void> {
    return new Promise((resolve) => (this.#port.isOpen ? this.#port.close(() => resolve()) : resolve()));
  }

  #answer(request: Buffer, unit: ModbusUnit): void {
    if (this.silent || request[0] !== UNIT) return;
    const frame = withCrc(Uint8Array.from([UNIT, ...unit.answer(request.subarray(1, 6))]));
    const send = (): void => void (this.#port.isOpen && this.#port.write(frame));
    if (this.delayMs === 0) send();
    else setTimeout(send, this.delayMs);
  }
}

/** A cable that is pulled is a line that ends; plugged in again it is another pseudo terminal behind the same name. */
export const modbusRtuHarness: ContractHarness<ModbusLink, ModbusAccess> = {
  plugin: createModbusPlugin({ allowedSerialPorts: ['/*'] }),
  async start(): Promise<DeviceUnderTest> {
    const unit = modbusUnit(1000);
    const device = path.join(tempDir(), 'ttyTEST');
    let line: Awaited<ReturnType<typeof startSerialLine>> | undefined;
    let slave: SerialSlave | undefined;
    const cut = async (): Promise<void> => {
      await slave?.close();
      await line?.stop();
      await rm(device, { force: true });
      [line, slave] = [undefined, undefined];
    };
    const restore = async (): Promise<void> => {
      if (line !== undefined) return;
      line = await startSerialLine();
      slave = new SerialSlave(line.slave, unit);
      await slave.open();
      await symlink(line.master, device);
    };
    await restore();
    return {
      link: { serialPort: device, baudRate: 115_200, slaveID: UNIT, timeout: 500 },
      ...modbusPoints,
      silence: async () => void (slave && (slave.silent = true)),
      speak: async () => void (slave && (slave.silent = false)),
      slow: async (ms) => void (slave && (slave.delayMs = ms)),
      cut,
      restore,
      stop: cut,
    };
  },
};

/** Reading the first page of a process's memory answers EIO, as a sensor off its pin does. */
const UNREADABLE = '/proc/self/mem';

/** Files are neither slow nor written. */
export function iioHarness(): ContractHarness<IioLink, IioChannel> {
  const root = tempDir();
  return {
    plugin: createIioPlugin({ sysfsRoot: root }),
    async start() {
      const directory = path.join(root, 'bus/iio/devices/iio:device0');
      const aside = path.join(root, 'unplugged');
      const file = (index: number): string => path.join(directory, `in_voltage${index}_raw`);
      const channels = Array.from({ length: 50 }, (_, index) => index);
      const point = (name: string, channel: string): TestPoint => ({ name, type: 'int', visitor: { channel } });
      const write = async (): Promise<void> => {
        await Promise.all(
          channels.map(async (index) => {
            await rm(file(index), { force: true });
            await writeFile(file(index), `${index}\n`);
          }),
        );
      };
      await mkdir(directory, { recursive: true });
      await writeFile(path.join(directory, 'name'), 'adc\n');
      await write();
      return {
        link: { name: 'adc' },
        points: (count) => Array.from({ length: count }, (_, index) => point(`v${index}`, `in_voltage${index % channels.length}_raw`)),
        bad: point('bad', 'in_voltage4000_raw'),
        silence: async () => {
          for (const index of channels) {
            await rm(file(index));
            await symlink(UNREADABLE, file(index));
          }
        },
        speak: async () => {
          if (existsSync(directory)) await write();
        },
        cut: async () => {
          if (existsSync(directory)) await rename(directory, aside);
        },
        restore: async () => {
          if (existsSync(aside)) await rename(aside, directory);
        },
        stop: () => rm(directory, { recursive: true, force: true }),
      };
    },
  };
}
