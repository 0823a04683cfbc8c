/** Owns what the contract test needs to know of the example thermometer. */
import { TcpRelay, type ContractHarness, type TestPoint } from '../index.ts';
import { startThermometer } from './device.ts';
import { createThermometerPlugin, type ThermometerLink } from './thermometer.ts';

const point = (name: string, value: string): TestPoint => ({ name, type: 'double', visitor: { value } });
const setpoint = point('setpoint', 'setpoint');

export const thermometerHarness: ContractHarness<ThermometerLink, string> = {
  plugin: createThermometerPlugin(),
  patienceMs: 4000,
  async start() {
    const device = await startThermometer();
    const relay = new TcpRelay(device);
    await relay.restore();
    return {
      link: { host: '127.0.0.1', port: relay.port },
      points: (count) => Array.from({ length: count }, (_, index) => point(`t${index}`, index % 2 === 0 ? 'temperature' : 'setpoint')),
      bad: point('bad', 'humidity'),
      writable: { point: setpoint, values: [22.5, 18] },
      refusing: { point: setpoint, value: 99 },
      ...relay.faults,
      async stop() {
        await relay.cut();
        await device.close();
      },
    };
  },
};
