/** Owns making a link to a peripheral that was heard: with an end, and without leaving an attempt behind. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { NoblePeripheral } from './noble.ts';
import { race } from './race.ts';
import type { Radio } from './radio.ts';

export interface ConnectOptions {
  radio: Radio;
  clock: Clock;
  signal: AbortSignal;
}

/** A device that was heard a moment ago is connected with its next advertisements. */
const CONNECT_MS = 5000;
/** noble queues later connects behind one that never ends. */
const CANCEL_MS = 1000;

/**
 * Throws DEVICE_UNREACHABLE. One at a time: an adapter makes one link after the other, and cancelling one cancels whichever is under way.
 * A controller that does not even answer a cancel ends the radio.
 */
export async function connect(peripheral: NoblePeripheral, { radio, clock, signal }: ConnectOptions): Promise<void> {
  const attempt = (begin: () => void, ms: number): Promise<unknown> =>
    race<unknown>({
      clock,
      ms,
      late: () => new HiveletError('DEVICE_UNREACHABLE', `${peripheral.address} is heard, but does not take a connection`, REFUSED),
      signals: [signal, radio.ended],
      begin: ({ resolve }) => {
        const onConnect = (error: unknown): void => resolve(error);
        peripheral.on('connect', onConnect);
        begin();
        return () => peripheral.removeListener('connect', onConnect);
      },
    });
  let refusal: unknown;
  try {
    refusal = await attempt(() => peripheral.connect(), CONNECT_MS);
  } catch (error) {
    if (!radio.ended.aborted && peripheral.state === 'connecting') await cancel(peripheral, { radio, clock });
    throw error;
  }
  if (refusal !== undefined && refusal !== null)
    throw new HiveletError('DEVICE_UNREACHABLE', `${peripheral.address} cannot be connected: ${messageOf(refusal)}`, REFUSED);
}

const REFUSED = { facts: { refused: true } };

/** noble says twice that it is over: at once, and when the controller says so; the second time it may be connected after all. */
async function cancel(peripheral: NoblePeripheral, { radio, clock }: { radio: Radio; clock: Clock }): Promise<void> {
  try {
    await race<void>({
      clock,
      ms: CANCEL_MS,
      late: () => new HiveletError('BUS_TIMEOUT', 'the Bluetooth controller does not end an attempt to connect'),
      signals: [radio.ended],
      begin: ({ resolve }) => {
        let times = 0;
        const onConnect = (): void => {
          times += 1;
          if (times > 1) resolve();
        };
        peripheral.on('connect', onConnect);
        peripheral.cancelConnect();
        return () => peripheral.removeListener('connect', onConnect);
      },
    });
    if (peripheral.state === 'connected') peripheral.disconnect();
  } catch (error) {
    radio.close(messageOf(error));
  }
}
