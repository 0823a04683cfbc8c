/**
 * Owns a field of Modbus TCP devices in a process of its own: `node --import tsx test/simulators/modbus-field.ts DEVICES REGISTERS CHANGING`. Each
 * device has a port and so many holding registers, of which CHANGING change every second, in turn. Prints `ready PORT…`.
 */
import { ModbusUnit, startModbusServer } from '#mappers/modbus/server.ts';

const [devices = 1, registers = 1, changing = 0] = process.argv.slice(2).map(Number);
const units = Array.from({ length: devices }, () => new ModbusUnit().set('holding', 0, ...new Array<number>(registers).fill(0)));
const servers = await Promise.all(units.map((unit) => startModbusServer({ unit: () => unit })));

let second = 0;
setInterval(() => {
  second += 1;
  for (const unit of units) {
    for (let index = 0; index < changing; index++) unit.set('holding', (second * changing + index) % registers, second & 0xffff);
  }
}, 1000);

process.stdout.write(`ready ${servers.map(({ port }) => port).join(' ')}\n`);
