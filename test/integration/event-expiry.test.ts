/** Events of the embedded API are gone an hour after they happened last. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { events } from '#cloud/store/kube-api.ts';
import { EventRecorder } from '#cloud/store/kubeconfig/event-recorder.ts';
import { silentLogger } from '#beehive/log.ts';
import { startApiServer } from '#test/support/api-server.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { until } from '#test/support/until.ts';

const MINUTE_MS = 60_000;

test('an event goes an hour after its last time, one that happened again stays', async () => {
  const clock = new FakeClock();
  const api = await startApiServer({ clock });
  const abort = new AbortController();
  const recorder = new EventRecorder({ api: api.client, clock, log: silentLogger(), signal: abort.signal, component: 'tests' });
  const say = (name: string): void =>
    recorder.record({ apiVersion: 'v1', kind: 'Device', namespace: 'default', name }, { type: 'Normal', reason: 'R', message: 'm' });
  const named = async (): Promise<string[]> =>
    (await api.client.list(events)).items.map(({ involvedObject }) => (involvedObject as { name: string }).name).sort();
  const pass = async (minutes: number): Promise<void> => {
    for (let minute = 0; minute < minutes; minute += 1) await clock.advance(MINUTE_MS);
  };
  say('once');
  say('again');
  await until(async () => (await named()).length === 2, { what: 'both events' });
  await pass(40);
  say('again');
  await until(async () => (await api.client.list(events)).items.some(({ count }) => count === 2), { what: 'the repetition' });
  await pass(22);
  await until(async () => (await named()).length === 1, { what: 'the end of the first' });
  assert.equal(await named(), ['again']);
  await pass(40);
  await until(async () => (await named()).length === 0, { what: 'the end of the other' });
  abort.abort();
  await api.close();
});

test.run();
