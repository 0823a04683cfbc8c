/** Owns the talk with systemd: READY=1, STOPPING=1 and the watchdog, over NOTIFY_SOCKET (sd_notify(3)). */
import { spawn } from 'node:child_process';
import type { Clock, Timer } from './clock.ts';
import type { Logger } from './log.ts';

export interface SdNotify {
  ready(status: string): void;
  stopping(): void;
  /** Feeds the watchdog at half of WATCHDOG_USEC for as long as `healthy` says so. */
  watch(healthy: () => boolean): void;
  close(): void;
}

/**
 * Node has no AF_UNIX datagram sockets, so each message is sent by `systemd-notify`, which is there wherever
 * NOTIFY_SOCKET is set by systemd. NotifyAccess=all in the unit lets the child speak.
 */
export function sdNotify(options: { env: NodeJS.ProcessEnv; clock: Clock; log: Logger; pid: number }): SdNotify {
  const { env, clock, log, pid } = options;
  let timer: Timer | undefined;
  const send = (...states: string[]): void => {
    if (env['NOTIFY_SOCKET'] === undefined || env['NOTIFY_SOCKET'] === '') return;
    const child = spawn('systemd-notify', [`--pid=${String(pid)}`, ...states], { stdio: 'ignore' });
    child.on('error', (error) => log.warn('systemd.notify.failed', { error }));
  };
  const intervalMs = Number(env['WATCHDOG_USEC'] ?? 0) / 2000;
  const feed = (healthy: () => boolean): void => {
    timer = clock.timer(intervalMs, () => {
      if (healthy()) send('WATCHDOG=1');
      feed(healthy);
    });
  };
  return {
    ready: (status) => send('--ready', `--status=${status}`),
    stopping: () => send('STOPPING=1'),
    watch: (healthy) => {
      if (intervalMs > 0) feed(healthy);
    },
    close: () => timer?.cancel(),
  };
}
