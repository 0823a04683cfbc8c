/** Owns the program of a mapper process that misbehaves as its devices ask for (`behave` in the protocol block); started by tests only. */
import { Socket } from 'node:net';
import { systemClock } from '#beehive/clock.ts';
import type { Module } from '#beehive/module.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PubSub, Secrets } from '#mappers/contract.ts';
import { createMapperHost } from '#mappers/host/mapper-host.ts';
import { STREAM_FD } from '#mappers/isolation/child-process.ts';
import { runMapperProcess, type HostPorts } from '#mappers/isolation/mapper-process.ts';
import { HIVELET_VERSION } from '#edge/version.ts';

const topic = (device: string, action: string): string => `$hw/events/device/${device}/${action}`;

interface Ports {
  mqtt: PubSub;
  secrets: Secrets;
}

function say({ mqtt }: Ports, device: string, reason: string): void {
  mqtt.publish(topic(device, 'state/update'), JSON.stringify({ state: 'online', reason }));
}

let stays = false;

const behaviours: Record<string, (ports: Ports, device: DeviceProfile) => void> = {
  serve: (ports, { name }) => say(ports, name, `pid ${String(process.pid)}`),
  environment: (ports, { name }) => say(ports, name, Object.keys(process.env).sort().join(' ')),
  abort: () => process.abort(),
  exit: () => {
    process.stderr.write('trial: the adapter is on fire\n');
    process.exit(3);
  },
  throw: () => {
    throw new TypeError('nobody catches this');
  },
  hang: (ports, { name }) => {
    say(ports, name, 'about to hang');
    setTimeout(() => {
      for (;;);
    }, 50);
  },
  /** Does not end when it is asked to. */
  stay: (ports, { name }) => {
    stays = true;
    // What is left of it must not end by itself.
    setInterval(() => undefined, 1000);
    process.on('SIGTERM', () => {
      for (;;);
    });
    say(ports, name, `stays as ${String(process.pid)}`);
  },
  /** Much more than edgecore can store. */
  flood: ({ mqtt }, { name }) => {
    const payload = JSON.stringify({ twin: { speed: { actual: { value: 'x'.repeat(1000) }, metadata: { type: 'string' } } } });
    const pour = (): void => {
      for (let count = 0; count < 100; count++) mqtt.publish(topic(name, 'twin/update'), payload);
      setImmediate(pour);
    };
    pour();
  },
  forge: (ports, { name }) => {
    const { mqtt } = ports;
    mqtt.publish(topic('valve', 'twin/update'), JSON.stringify({ twin: { speed: { actual: { value: '1' }, metadata: { type: 'int' } } } }));
    mqtt.publish(topic('valve', 'state/update'), JSON.stringify({ state: 'offline' }));
    mqtt.publish('$hw/events/upload/forged', '{}');
    mqtt.subscribe('$hw/events/device/+/twin/update/delta', () => say(ports, name, 'heard a wildcard'));
    mqtt.subscribe(topic('valve', 'twin/update/delta'), () => say(ports, name, 'heard the valve'));
    say(ports, name, 'has tried');
  },
  secret: (ports, { name, protocolConfig }) => {
    const { secrets } = ports;
    const tell = (text: string): void => say(ports, name, text);
    void Promise.allSettled([
      secrets.resolve(String(protocolConfig['password']), 'password'),
      secrets.resolve('node.key', 'password'),
    ]).then((all) =>
      tell(all.map((one) => (one.status === 'fulfilled' ? one.value.toString('utf8') : (one.reason as Error).message)).join('; ')),
    );
  },
};

function trialHost(ports: HostPorts & Ports): Module {
  const obey = (device: DeviceProfile): void => behaviours[String(device.protocolConfig['behave'])]?.(ports, device);
  return {
    name: 'trial',
    start: async () => {
      ports.definitions.onChange((change) => change.kind === 'set' && obey(change.profile));
      for (const device of ports.definitions.list()) obey(device);
    },
    stop: () => (stays ? new Promise(() => undefined) : Promise.resolve()),
    health: () => ({ ok: true }),
  };
}

const missing = async (): Promise<never> => {
  const driver = 'no-such-driver';
  await import(driver);
  throw new Error('unreachable');
};

let secrets: Secrets = { resolve: () => Promise.reject(new Error('no secrets yet')) };
const plugin = process.argv[2] ?? '';
await runMapperProcess({
  plugin,
  version: HIVELET_VERSION,
  stream: new Socket({ fd: STREAM_FD, readable: true, writable: true }),
  clock: systemClock,
  plugins: (_options, given) => {
    secrets = given;
    return new Map([['driverless', missing]]);
  },
  createHost: (ports) => (plugin === 'trial' ? trialHost({ ...ports, secrets }) : createMapperHost(ports)),
  stopped: new Promise((resolve) => process.once('SIGTERM', resolve)),
});
process.exit();
