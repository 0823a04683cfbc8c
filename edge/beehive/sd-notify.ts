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
 * NOTIFY_SOCKET is set by systemd. NotifyAccess=all in the unit lets the child speak; it waits until systemd has read
 * the message, so that systemd still finds whom it belongs to. Failures are told once: a notice is no reason to stop.
 */
export function sdNotify(options: { env: NodeJS.ProcessEnv; clock: Clock; log: Logger; pid: number }): SdNotify {
  const { env, clock, log, pid } = options;
  let timer: Timer | undefined;
  let running = 0;
  let told = false;
  const failed = (reason: unknown): void => {
    if (told) return;
    told = true;
    log.warn('systemd.notify.failed', { reason, remedy: 'is systemd-notify installed, and NotifyAccess=all set in the unit?' });
  };
  const send = (...states: string[]): void => {
    if (env['NOTIFY_SOCKET'] === undefined || env['NOTIFY_SOCKET'] === '') return;
    running++;
    const child = spawn('systemd-notify', [`--pid=${String(pid)}`, ...states], { stdio: 'ignore', env });
    // One that cannot reach systemd must not hold up a stop.
    child.unref();
    child.on('error', (error) => {
      running--;
      failed(error);
    });
    child.on('exit', (code, signal) => {
      running--;
      if (code !== 0) failed(`systemd-notify ended with ${String(code ?? signal)}`);
    });
  };
  const intervalMs = watchdogMs(env, pid) / 2;
  const feed = (healthy: () => boolean): void => {
    timer = clock.timer(intervalMs, () => {
      // One that still runs has not been read; more of them would not be either.
      if (running === 0 && healthy()) send('WATCHDOG=1');
      feed(healthy);
    });
  };
  return {
    // A line feed would begin another variable.
    ready: (status) => send('--ready', `--status=${status.replaceAll(/\s+/g, ' ')}`),
    stopping: () => send('STOPPING=1'),
    watch: (healthy) => {
      timer?.cancel();
      if (intervalMs > 0) feed(healthy);
    },
    close: () => timer?.cancel(),
  };
}

/** 0 = no watchdog, or one that is meant for the process that started us (sd_watchdog_enabled(3)). */
function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number {
  const meant = env['WATCHDOG_PID'];
  if (meant !== undefined && meant !== '' && meant !== String(pid)) return 0;
  const ms = Number(env['WATCHDOG_USEC'] ?? 0) / 1000;
  return Number.isFinite(ms) && ms > 0 ? ms : 0;
}
