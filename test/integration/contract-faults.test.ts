/** Proves that the contract test finds what a plugin does wrong: the example, with one fault each. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import { thermometerHarness } from '#mappers/contract-test/example/harness.ts';
import type { ThermometerLink } from '#mappers/contract-test/example/thermometer.ts';
import { contractTest } from '#mappers/contract-test/index.ts';
import type { Connection, MapperPlugin, PluginContext } from '#mappers/contract.ts';

type Thermometer = MapperPlugin<ThermometerLink, string>;
type Link = Connection<ThermometerLink, string>;

const never = new AbortController().signal;

/** The example, but for what `change` replaces of its connections. */
const broken = (change: (link: Link, context: PluginContext) => Partial<Link>): Thermometer => ({
  ...thermometerHarness.plugin,
  async open(link, context) {
    const inner = await thermometerHarness.plugin.open(link, context);
    const outer: Link = {
      lost: inner.lost,
      read: (...args) => inner.read(...args),
      write: (...args) => inner.write(...args),
      close: () => inner.close(),
    };
    return { ...outer, ...change(inner, context) };
  },
});

const faults: [what: string, plugin: Thermometer, found: RegExp][] = [
  [
    'throws for one bad point',
    broken((link) => ({
      read: async (...args) => {
        const readings = await link.read(...args);
        const bad = readings.find((reading) => 'error' in reading);
        if (bad !== undefined) throw new HiveletError('POINT_REJECTED', bad.name);
        return readings;
      },
    })),
    /one bad point is a reading/,
  ],
  [
    'leaves points out',
    broken((link) => ({ read: async (...args) => (await link.read(...args)).slice(1) })),
    /each point that is asked for/,
  ],
  [
    'does not ask the device when there are no points',
    broken((link) => ({ read: async (at, points, options) => (points.length === 0 ? [] : link.read(at, points, options)) })),
    /a read without points/,
  ],
  [
    'does not hear the abort',
    broken((link) => ({ read: (at, points) => link.read(at, points, { signal: never }) })),
    /a read that is aborted/,
  ],
  [
    'leaves a timer with each read',
    broken((link, { clock }) => ({
      read: (...args) => {
        clock.timer(60_000, () => undefined);
        return link.read(...args);
      },
    })),
    /nothing gathers/,
  ],
  [
    'leaves a listener with each read',
    broken((link) => ({
      read: (at, points, options) => {
        options.signal.addEventListener('abort', () => undefined);
        return link.read(at, points, options);
      },
    })),
    /nothing gathers/,
  ],
  [
    'takes a refusal for silence',
    broken((link) => ({
      write: async (...args) => {
        try {
          await link.write(...args);
        } catch (error) {
          throw isHiveletError(error, 'POINT_REJECTED') ? new HiveletError('DEVICE_UNREACHABLE', error.message) : error;
        }
      },
    })),
    /a write that the device refuses/,
  ],
  ['forgets writes', broken(() => ({ write: async () => undefined })), /is read back/],
  ['stays open', broken(() => ({ close: async () => undefined })), /it opens and closes/],
  [
    'hangs when the link is cut',
    broken((link) => ({
      lost: new Promise(() => undefined),
      read: (...args) => link.read(...args).catch(() => new Promise<never>(() => undefined)),
    })),
    /when the link is cut fails/,
  ],
];

for (const [what, plugin, found] of faults) {
  test(`it finds a plugin that ${what}`, async () => {
    const cases: { title: string; run: () => Promise<void> }[] = [];
    contractTest('broken', { ...thermometerHarness, plugin, patienceMs: 2500 }, (title, run) => cases.push({ title, run }));
    const [wanted] = cases.filter(({ title }) => found.test(title));
    assert.ok(wanted, 'the case is there');
    let said: unknown;
    await wanted.run().catch((error: unknown) => (said = error));
    assert.ok(said instanceof Error, `"${wanted.title}" fails`);
  });
}

test.run();
