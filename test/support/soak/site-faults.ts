/** Owns what can happen to an installation besides its devices: the cable, the cloud, the edge, its mappers' processes, and MQTT clients that come and go. */
import { connect } from 'mqtt';
import type { PlantFault } from '#test/simulators/plants/plant.ts';
import type { SoakSite } from './site.ts';

const SLOW_MS = 300;
const MESSAGES = 20;

export function cableFaults({ cable }: SoakSite): PlantFault[] {
  return [
    {
      name: 'the cable to the cloud is cut',
      begin: async () => {
        await cable.cut();
        return () => cable.restore();
      },
    },
    {
      name: 'the cable to the cloud loses everything',
      begin: async () => {
        await cable.silence();
        return () => cable.speak();
      },
    },
    {
      name: 'the cable to the cloud is slow',
      begin: async () => {
        await cable.slow(SLOW_MS);
        return () => cable.slow(0);
      },
    },
  ];
}

/** They have no effect on the memory that is measured but that of the process they start. */
export function killings(site: SoakSite): PlantFault[] {
  return [
    {
      name: 'the cloud is killed',
      begin: async () => {
        await site.killCloud();
        return () => site.startCloud();
      },
    },
    {
      name: 'the edge is killed',
      begin: async () => {
        await site.killEdge();
        return () => site.startEdge();
      },
    },
  ];
}

/** Nothing happens where no mapper has a process of its own. */
export function mapperKilling(site: SoakSite, draw: () => number): PlantFault {
  return {
    name: 'the process of a mapper is killed',
    begin: async () => {
      const pids = site.mapperPids();
      const pid = pids[Math.floor(draw() * pids.length)];
      try {
        if (pid !== undefined) process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
      return async () => undefined;
    },
  };
}

/** Each subscribes to everything of the devices and uploads a little; half of them leave without a word. */
export function mqttClients(site: SoakSite, count: number): PlantFault[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `MQTT client ${String(index)} is there`,
    begin: async () => {
      const client = connect({
        host: '127.0.0.1',
        port: site.mqttPort,
        protocolVersion: 4,
        reconnectPeriod: 0,
        clean: index % 2 === 0,
        clientId: `soak-${String(index)}`,
      });
      client.on('error', () => undefined);
      client.on('message', () => undefined);
      client.subscribe('$hw/events/device/+/twin/update/document', { qos: 1 }, () => undefined);
      for (let message = 0; message < MESSAGES; message++)
        client.publish(
          `soak/${String(index)}`,
          `message ${String(message)}`,
          { qos: message % 2 === 0 ? 0 : 1, retain: message === 0 },
          () => undefined,
        );
      return async () => {
        if (index % 2 === 0) client.stream.destroy();
        await client.endAsync(true);
      };
    },
  }));
}
