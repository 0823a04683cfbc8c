/** What 30 devices that report three times a second cost the API: counted at the server, with events, states, last-seen and tables included. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { silentLogger } from '#beehive/log.ts';
import { cloudSchema } from '#cloud/config.ts';
import { serveApi } from '#cloud/kube-access.ts';
import { initCloud } from '#cloud/pki/init.ts';
import { deviceModels, devices, events } from '#cloud/store/kube-api.ts';
import { startTestCloud } from '#test/support/cloud.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';
import type { FakeEdge } from '#test/support/fake-edge.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const DEVICES = 30;
const PER_SECOND = 3;
const SECONDS = 10;
const MOST_WRITES_PER_SECOND = 30;
const names = Array.from({ length: DEVICES }, (_, index) => `thermo-${index + 1}`);

const route = { source: 'twin', group: 'resource', operation: 'update' };

/** One report of everything that can change: another value each time, an app at the edge that plays with the setpoint, a state that flaps. */
function report(edge: FakeEdge, name: string, round: number): void {
  const index = names.indexOf(name);
  const version = { actual_version: { cloud: 0, edge: round + 1 } };
  const twin = {
    temperature: { actual: { value: String(20 + (round % 50) / 10) }, metadata: { type: 'float' }, ...version },
    setpoint: {
      actual: { value: String(round % 100) },
      metadata: { type: 'int' },
      ...version,
      ...(index < 5 ? { override: true, expected: { value: String(round % 100) }, write: outcome(round) } : {}),
    },
  };
  edge.send({ ...route, resource: `device/${name}/twin/edge_updated`, content: { event_id: '', timestamp: 1, twin } });
  if (index >= 5 && index < 10) {
    const state = round % 2 === 0 ? 'online' : 'unhealthy';
    const content = JSON.stringify({ device: { name, state, reason: `round ${round}` }, hivelet: { uid: '', version: round } });
    edge.send({ ...route, resource: `device/${name}/state/update`, content });
  }
}

const outcome = (round: number) => ({
  desired: String(round % 100),
  stamp: round,
  result: 'reached',
  observed: String(round % 100),
  ms: round,
});

test(`${DEVICES} devices x ${PER_SECOND} updates/s cost the API at most ${MOST_WRITES_PER_SECOND} writes/s, and the last values arrive`, async () => {
  const dataDir = tempDir();
  await initCloud({ dataDir, advertise: [], clock: systemClock });
  const config = loadConfig(cloudSchema, { sets: ['modules.apiServer.listen=127.0.0.1:0'] });
  const { server } = await serveApi({ config, dataDir, clock: systemClock, log: silentLogger() });
  const cloud = await startTestCloud({ dataDir });
  for (const [type, object] of [
    [deviceModels, thermostatModel()] as const,
    ...names.map((name) => [devices, thermostat({ name })] as const),
  ])
    await cloud.api.create(type, { ...object, metadata: { name: object.metadata.name, namespace: 'default' } });
  const edge = await cloud.edge('pi');
  const perSecond: number[] = [];
  const started = performance.now();
  let before = server.stats.revision;
  for (let round = 0; round < SECONDS * PER_SECOND; round++) {
    const at = started + (round * 1000) / PER_SECOND;
    await until(() => performance.now() >= at, { what: 'the next round', everyMs: 5 });
    if (round > 0 && round % PER_SECOND === 0) {
      perSecond.push(server.stats.revision - before);
      before = server.stats.revision;
      const ages = Object.fromEntries(names.map((name) => [name, round]));
      edge.send({ ...route, resource: 'devices/last-seen', content: { ages } });
    }
    for (const name of names) report(edge, name, round);
  }
  const average = perSecond.reduce((sum, count) => sum + count, 0) / perSecond.length;
  process.stdout.write(`writes in each second: ${perSecond.join(' ')}; ${average.toFixed(1)}/s on average\n`);
  assert.ok(average <= MOST_WRITES_PER_SECOND, `${average} writes/s`);
  const latest = String(20 + ((SECONDS * PER_SECOND - 1) % 50) / 10);
  await until(
    async () => {
      const { items } = await cloud.api.list(devices);
      const shown = items.map(({ status }) => (status as { summary?: { values?: string } }).summary?.values ?? '');
      return shown.filter((values) => values.includes(`temperature ${latest}`)).length === DEVICES;
    },
    { what: 'the last values of all devices', deadlineMs: 15_000, everyMs: 200 },
  );
  const told = (await cloud.api.list(events)).items;
  const ofOne = told.filter((event) => (event['involvedObject'] as { name?: string }).name === 'thermo-1');
  assert.ok(ofOne.length > 0 && ofOne.length <= 30, `${ofOne.length} events of one device`);
  await cloud.close();
  await server.close();
});

test.run();
