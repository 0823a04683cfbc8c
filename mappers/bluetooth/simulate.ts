/** Owns simulated SensorTags: a controller on a socket with tags around it, whose air moves. */
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { Air, serveController, SensorTag, VirtualController, type VirtualPeripheral } from './sim/index.js';

export interface ServedAirOptions {
  /** Path of a Unix socket, or host:port (0 takes a free one): what `modules.mapperHost.bluetooth.hci` names. */
  hci: string;
  /** False: data moves as fast as it can, and not once per connection interval as on the air. */
  realtime?: boolean;
}

export interface ServedAir {
  readonly air: Air;
  readonly controller: VirtualController;
  /** As the option, with the port that was taken. */
  readonly hci: string;
  close(): Promise<void>;
}

export interface SensorTagsOptions extends ServedAirOptions {
  clock: Clock;
  /** Default 1. */
  tags?: number;
  /** Told of links and of switched sensors. */
  onEvent?: (event: { tag: string; what: string; value?: unknown }) => void;
}

export interface SensorTags extends ServedAir {
  readonly tags: readonly SensorTag[];
}

const MOST_TAGS = 99;

/** Resolves when a mapper can connect. Throws PORT_IN_USE. */
export async function serveAir({ hci, realtime = true }: ServedAirOptions): Promise<ServedAir> {
  const air = new Air();
  const controller = new VirtualController({ air, realtime });
  const [, host, port] = /^(.+):(\d+)$/.exec(hci) ?? [];
  try {
    if (host === undefined && (await isLeftBehind(hci))) await rm(hci);
    const served = await serveController(controller, host === undefined ? { path: hci } : { host, port: Number(port) });
    const { address } = served;
    return {
      air,
      controller,
      hci: typeof address === 'object' && address !== null ? `${host ?? ''}:${address.port}` : hci,
      async close() {
        controller.destroy();
        await served.close();
      },
    };
  } catch (error) {
    controller.destroy();
    throw new HiveletError('PORT_IN_USE', `${hci} cannot be listened on: ${messageOf(error)}; choose another with --hci`, { cause: error });
  }
}

/** A program that was killed leaves its socket, where nobody listens any more. */
function isLeftBehind(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path: file });
    socket.on('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}

/** Tags `a0:e6:f8:00:00:01` and up. Throws PORT_IN_USE. */
export async function startSensorTags({
  clock,
  tags: count = 1,
  onEvent = () => undefined,
  ...where
}: SensorTagsOptions): Promise<SensorTags> {
  if (!Number.isInteger(count) || count < 1 || count > MOST_TAGS)
    throw new HiveletError('USAGE', `${count} tags cannot be played: write 1 to ${MOST_TAGS}`);
  const served = await serveAir(where);
  const tags = Array.from({ length: count }, (_, index) => {
    const address = `a0:e6:f8:00:00:${(index + 1).toString(16).padStart(2, '0')}`;
    const tag = new SensorTag({ air: served.air, address, environment: weather(clock, index) });
    tellEvents(tag, onEvent);
    return tag;
  });
  return {
    ...served,
    tags,
    async close() {
      for (const tag of tags) tag.destroy();
      await served.close();
    },
  };
}

export function tellEvents(device: VirtualPeripheral, onEvent: NonNullable<SensorTagsOptions['onEvent']>): void {
  const tag = device.address;
  device.on('connected', () => onEvent({ tag, what: 'connected' }));
  device.on('disconnected', (reason: number) => onEvent({ tag, what: 'disconnected', value: `0x${reason.toString(16).padStart(2, '0')}` }));
  device.on('config', (sensor: string, value: number) => onEvent({ tag, what: `${sensor} config`, value }));
}

/** Each tag stands in another room; what it measures moves slowly, so that a change can be seen within seconds. */
function weather(clock: Clock, index: number): () => Record<string, number> {
  const wave = (periodMs: number): number => Math.sin((clock.monotonic() / periodMs + index) * 2 * Math.PI);
  return () => ({
    objectTemperature: 21.5 + index + 1.5 * wave(90_000),
    ambientTemperature: 23.25 + index + 0.5 * wave(120_000),
    humidity: 45 + 3 * wave(75_000),
    pressure: 1013.25 - 2 * index + 0.8 * wave(60_000),
    light: 320 + 40 * wave(45_000),
  });
}
