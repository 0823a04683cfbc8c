/** Owns the run of aedes-persistence's own abstract suite against our store, on a real database file. */
import assertStrict from 'node:assert';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { openBrokerDatabase } from '#edge/broker/broker-database.ts';
import { defaultLimits } from '#edge/broker/limits.ts';
import { BrokerPersistence } from '#edge/broker/persistence.ts';
import { Tally } from '#edge/broker/tally.ts';
import { tempDir } from '#test/support/temp-dir.ts';

/** What the suite uses of node:test. */
interface Context {
  assert: Record<string, (...args: unknown[]) => void>;
  plan(count: number): void;
  diagnostic(text: string): void;
}

type Suite = (options: {
  test: (name: string, run: (context: Context) => Promise<void>) => void;
  persistence: () => BrokerPersistence;
  testAsync: boolean;
}) => void;

const suite = createRequire(import.meta.url)('aedes-persistence/abstract.js') as Suite;
let registered = 0;

suite({
  testAsync: true,
  persistence: () =>
    new BrokerPersistence({
      clock: systemClock,
      limits: defaultLimits,
      tally: new Tally(systemClock, silentLogger()),
      database: openBrokerDatabase(path.join(tempDir(), 'broker.db'), silentLogger()),
    }),
  test: (name, run) => {
    registered++;
    test(name, async () => {
      let planned: number | undefined;
      let made = 0;
      const counted = new Proxy(assertStrict as unknown as Context['assert'], {
        get:
          (target, property: string) =>
          (...args: unknown[]): void => {
            made++;
            target[property]?.(...args);
          },
      });
      await run({ assert: counted, plan: (count) => (planned = count), diagnostic: () => undefined });
      if (planned !== undefined) assert.is(made, planned, 'assertions made as planned');
    });
  },
});

test('the suite is the one of aedes-persistence, with all its 50 tests', () => {
  assert.is(registered, 50);
});

test.run();
