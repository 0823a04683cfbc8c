/** Owns the SensorTag's part of the demo: one of its sensors is switched on from the cloud, and what it measures arrives there. */
import type { Clock } from '#beehive/clock.ts';
import { devices, isKubeError, type KubeApi } from '../../../cloud/store/kube-api.ts';
import { planDesired } from '../twins/desired-patch.ts';
import type { TwinSource } from '../twins/source.ts';
import { waitUntil } from './objects.ts';

export const TAG = 'sensortag';
const SWITCH = 'pressure-enable';
const VALUE = 'pressure';

export interface SensorTagOptions {
  api: KubeApi;
  source: TwinSource;
  clock: Clock;
  signal: AbortSignal;
  withinMs: number;
  /** Told what a person reads. */
  say: (line: string) => void;
}

/** Resolves when a value has arrived. Throws BUS_TIMEOUT when none does. */
export async function switchOn({ api, source, clock, signal, withinMs, say }: SensorTagOptions): Promise<void> {
  const startMs = clock.monotonic();
  const since = (): string => `${((clock.monotonic() - startMs) / 1000).toFixed(1)} s`;
  await desire(api, signal);
  const reported = async (property: string): Promise<string | undefined> =>
    (await source.twins(TAG)).twins.find((twin) => twin.property === property)?.reported;
  const until = (missing: () => Promise<string | undefined>): Promise<void> => waitUntil(missing, { source, clock, signal, withinMs });
  await until(async () => ((await reported(SWITCH)) === 'ON' ? undefined : `${TAG} has not reported ${SWITCH} ON`));
  say(`${TAG} ${SWITCH} = ON was written over Bluetooth and came back after ${since()}`);
  // Until a sensor is on, the tag says 0.
  await until(async () => (Number((await reported(VALUE)) ?? 0) > 0 ? undefined : `${TAG} reports no ${VALUE}, though ${SWITCH} is ON`));
  say(`${TAG} ${VALUE} ${(await reported(VALUE)) ?? ''} hectopascal arrived in the cloud after ${since()}`);
}

async function desire(api: KubeApi, signal: AbortSignal): Promise<void> {
  const name = { namespace: 'default', name: TAG };
  for (;;) {
    const operations = planDesired(await api.get(devices, name, { signal }), [{ property: SWITCH, value: 'ON', type: 'string' }]);
    try {
      if (operations.length > 0) await api.patch(devices, name, { type: 'json', operations, signal });
      return;
    } catch (error) {
      // A report was written in between: the plan is made anew.
      if (!isKubeError(error, 'Conflict', 'Invalid')) throw error;
    }
  }
}
