/** Owns what the contract test needs to know of the example thermometer. */
import { systemClock } from '#beehive/clock.ts';
import type { ContractHarness, TestPoint } from '../harness.ts';
import { Thermometer } from './device.ts';
import { createThermometerPlugin, type ThermometerLink } from './thermometer.ts';

const point = (name: string, value: string): TestPoint => ({ name, type: 'double', visitor: { value } });

export const thermometerHarness: ContractHarness<ThermometerLink, string> = {
  plugin: createThermometerPlugin(),
  patienceMs: 4000,
  async start() {
    const device = new Thermometer(systemClock);
    await device.listen();
    return {
      link: { host: '127.0.0.1', port: device.port },
      points: (count) => Array.from({ length: count }, (_, index) => point(`t${index}`, index % 2 === 0 ? 'temperature' : 'setpoint')),
      bad: point('bad', 'humidity'),
      writable: { point: point('setpoint', 'setpoint'), values: [22.5, 18] },
      refusing: { point: point('setpoint', 'setpoint'), value: 99 },
      silence: async () => void (device.silent = true),
      speak: async () => void (device.silent = false),
      slow: async (ms) => void (device.delayMs = ms),
      cut: () => device.close(),
      restore: () => device.listen(),
      connections: () => device.connections,
      stop: () => device.close(),
    };
  },
};
