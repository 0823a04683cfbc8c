// timeout: 900s
/** Random faults on all protocols at once, for two minutes here and for thirty with SOAK=1: no leak, no stuck device, every final value right. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { plantNames, startPlant } from '#test/simulators/plants/index.ts';
import type { Plant, PlantFault } from '#test/simulators/plants/plant.ts';
import { Memory, nameOf } from '#test/support/soak/memory.ts';
import { createObjects, firstReports } from '#test/support/soak/plant-api.ts';
import { cableFaults, killings, mapperKilling, mqttClients } from '#test/support/soak/site-faults.ts';
import { NODE, SoakSite } from '#test/support/soak/site.ts';
import { pause, random, storm } from '#test/support/soak/storm.ts';
import { Wishes } from '#test/support/soak/wishes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const LONG = process.env['SOAK'] === '1';
const SEED = Number(process.env['SEED'] ?? 5);
/** In the acts named, cloud and edge are killed as well; memory is compared between them. */
const PLAN = LONG
  ? { acts: 6, stormMs: 255_000, quietMs: 30_000, deadly: [0, 5] }
  : { acts: 3, stormMs: 25_000, quietMs: 2000, deadly: [0] };
/** The API keeps what changed for ten minutes, for watches that come back: a younger cloud is not full-grown. In two minutes nothing is. */
const GROWTH = LONG ? { share: 0.05, slackMib: 0, grownMs: 600_000 } : { share: 0.3, slackMib: 10, grownMs: 0 };
const FAULTS = { atOnce: 5, pauseMs: 600, shortestMs: 300, longestMs: LONG ? 12_000 : 6000 };
const WISH_MS = 250;
const DEVICES = 4;
const CYCLE_MS = 500;
/** Back-off goes up to half a minute. */
const CONVERGED_MS = 180_000;

async function wish(wishes: Wishes, draw: () => number, running: () => boolean): Promise<void> {
  while (running()) {
    await pause(WISH_MS);
    wishes.make(draw());
  }
}

function processesOf(site: SoakSite): Map<string, number> {
  const mappers = site.mapperPids().map((pid): [string, number] => [nameOf(pid), pid]);
  return new Map([['edge', site.edgePid], ['cloud', site.cloudPid], ...mappers]);
}

test(`all protocols through ${String(PLAN.acts)} storms of ${String(PLAN.stormMs / 1000)} s`, async () => {
  const draw = random(SEED);
  const plants: Plant[] = [];
  for (const name of plantNames) plants.push(await startPlant(name, { node: NODE, devices: DEVICES, cycleMs: CYCLE_MS }));
  const site = await SoakSite.start(
    tempDir(),
    plants.flatMap(({ sets }) => sets),
  );
  const api = site.kube();
  const memory = new Memory();
  const story: string[] = [];
  const wishes = new Wishes(
    api,
    plants.flatMap(({ devices }) => devices),
  );
  try {
    for (const plant of plants) await createObjects(api, plant);
    for (const plant of plants) await firstReports(api, plant, 120_000);
    const usual: PlantFault[] = [
      ...plants.flatMap(({ faults }) => faults),
      ...cableFaults(site),
      ...mqttClients(site, 4),
      mapperKilling(site, draw),
    ];
    for (let act = 0; act < PLAN.acts; act++) {
      const faults = PLAN.deadly.includes(act) ? [...usual, ...killings(site), ...killings(site)] : usual;
      const end = performance.now() + PLAN.stormMs;
      const wishing = wish(wishes, random(SEED + act), () => performance.now() < end);
      story.push(`act ${String(act + 1)}`, ...(await storm({ draw, faults, until: end, ...FAULTS })));
      await wishing;
      const calmMs = performance.now();
      await wishes.arrived(CONVERGED_MS);
      story.push(`everything has arrived after ${String(Math.round(performance.now() - calmMs))} ms`);
      await pause(PLAN.quietMs);
      const heaps = await site.collectGarbage();
      const sizes = [...heaps, ...(await memory.look(processesOf(site)))];
      console.log(`act ${String(act + 1)} of ${String(PLAN.acts)}: ${story.at(-1) ?? ''}; ${sizes.join(', ')}`);
    }
    console.log(`seed ${String(SEED)}: ${String(story.length - 2 * PLAN.acts)} faults, ${String(wishes.count)} changes`);
    for (const { name, pid, rssMib } of memory.lives) console.log(`${name} (${String(pid)}): ${rssMib.join(', ')} MiB`);
    assert.equal(memory.growths(GROWTH), []);
    assert.equal(site.errors(), [], 'nothing is logged as an error of ours');
  } catch (error) {
    console.log(`seed ${String(SEED)}\n${story.join('\n')}\n${site.lastWords()}`);
    throw error;
  } finally {
    api.close();
    await site.stop();
    for (const plant of plants) await plant.stop();
  }
});

test.run();
