/** Owns the small modules around the rooms: life cycle and health of what is no room of its own. */
import type { Timer } from '#beehive/clock.ts';
import type { Committer } from '#beehive/commit.ts';
import type { HiveletError } from '#beehive/errors.ts';
import type { Module } from '#beehive/module.ts';
import type { Broker } from './broker/broker.ts';
import type { DeviceTwin } from './devicetwin/devicetwin.ts';
import type { EdgeOptions } from './edgecore.ts';
import type { ExternalMqtt } from './eventbus/external-client.ts';

const LAST_SEEN_MS = 60_000;
const STORE_QUIET_MS = 60_000;

/** One event when the store begins to fail and one when it works again, however many changes are refused; at most once a minute. */
export function storeEvents({ log, clock }: Pick<EdgeOptions, 'log' | 'clock'>): {
  onFailure: (error: HiveletError) => void;
  onRecovery: () => void;
} {
  let told = false;
  let quietUntil = -Infinity;
  return {
    onFailure: (error) => {
      if (told || clock.monotonic() < quietUntil) return;
      told = true;
      quietUntil = clock.monotonic() + STORE_QUIET_MS;
      log.error('store.failed', { code: error.code, error });
    },
    onRecovery: () => {
      if (told) log.info('store.recovered');
      told = false;
    },
  };
}

export function brokerModule(broker: Broker): Module {
  return {
    name: 'broker',
    start: () => broker.start(),
    stop: () => broker.close(),
    health: () => {
      const { clients, sessions, retained, dropped, denied } = broker.stats();
      const held = `${String(clients)} clients, ${String(sessions)} sessions, ${String(retained)} retained`;
      return { ok: true, detail: `${held}, ${String(dropped)} dropped, ${String(denied)} denied` };
    },
  };
}

export function externalModule(external: ExternalMqtt): Module {
  return { name: 'external-mqtt', start: () => external.start(), stop: () => external.stop(), health: () => external.health() };
}

/** A ticker: devices that were heard, once a minute. */
export function lastSeenModule(twin: DeviceTwin): Module {
  let timer: Timer | undefined;
  return {
    name: 'last-seen',
    start: ({ clock }) => {
      const tick = (): void => {
        timer = clock.timer(LAST_SEEN_MS, () => {
          twin.tellLastSeen();
          tick();
        });
      };
      tick();
      return Promise.resolve();
    },
    stop: () => {
      timer?.cancel();
      return Promise.resolve();
    },
    health: () => ({ ok: true }),
  };
}

/** Tells how well the grouping works. */
export function storeModule(committer: Committer): Module {
  return {
    name: 'store',
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    health: () => {
      const { batches, jobs, failures } = committer.stats;
      return { ok: true, detail: `${String(jobs)} changes in ${String(batches)} commits, ${String(failures)} failed` };
    },
  };
}
