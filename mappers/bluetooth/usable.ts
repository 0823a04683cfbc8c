/** Owns the question whether Bluetooth can work on this machine: its package, its adapter, its rights. */
import { connect } from 'node:net';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { PluginContext, Usability } from '../contract.ts';
import { race } from './race.ts';
import { adapterDown, Radio } from './radio.ts';

const ANSWER_MS = 3000;

/** Never throws but for an abort. */
export async function usable({ hci, root, clock, log, signal }: PluginContext & { hci: string; root: string }): Promise<Usability> {
  const over = new AbortController();
  try {
    // A controller on a socket serves one program at a time, which may be the edge: that it listens must do.
    if (hci !== '') await reach(hci, { clock, signal });
    else {
      const off = (): void => over.abort(adapterDown(hci));
      const radio = await Radio.start({ hci, root, clock, log }, { signal: AbortSignal.any([signal, over.signal]), off });
      radio.close('it was only asked whether it works');
    }
    return { usable: true };
  } catch (error) {
    if (signal.aborted) throw error;
    return { usable: false, reason: messageOf(error) };
  }
}

function reach(hci: string, { clock, signal }: Pick<PluginContext, 'clock' | 'signal'>): Promise<void> {
  const [, host, port] = /^(.+):(\d+)$/.exec(hci) ?? [];
  const unreachable = (why: string): HiveletError =>
    new HiveletError(
      'DEVICE_UNREACHABLE',
      `no Bluetooth controller is at ${hci} (${why}): start \`hivelet simulate sensortag --hci ${hci}\``,
    );
  return race<void>({
    clock,
    ms: ANSWER_MS,
    late: () => unreachable('it does not answer'),
    signals: [signal],
    begin: ({ resolve, reject }) => {
      const socket = connect(host === undefined ? { path: hci } : { host, port: Number(port) });
      socket.on('connect', () => resolve());
      socket.on('error', (error) => reject(unreachable(messageOf(error))));
      return () => socket.destroy();
    },
  });
}
