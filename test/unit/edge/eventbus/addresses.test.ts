/** Owns the proof of which pairs of MQTT addresses are one: an edge must not be its own external broker. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isOwnListener } from '#edge/eventbus/addresses.ts';

for (const [internal, external, same] of [
  ['tcp://127.0.0.1:1883', 'tcp://127.0.0.1:1883', true],
  ['tcp://127.0.0.1:1883', 'mqtt://localhost:1883/', true],
  ['tcp://127.0.0.1:1883', 'tcp://localhost', true],
  ['tcp://0.0.0.0:1883', 'tcp://127.0.0.1:1883', true],
  ['tcp://[::]:1883', 'tcp://[::1]:1883', true],
  ['tcp://broker:1883', 'tcp://Broker:1883', true],
  ['tcp://127.0.0.1:1884', 'tcp://127.0.0.1:1883', false],
  ['tcp://127.0.0.1:1883', 'tcp://broker:1883', false],
  ['tcp://0.0.0.0:1883', 'tcp://broker:1883', false],
  ['tcp://127.0.0.1:0', 'tcp://127.0.0.1:0', false],
  ['tcp://127.0.0.1:1883', 'nonsense', false],
] as const)
  test(`${internal} is ${same ? '' : 'not '}${external}`, () => assert.is(isOwnListener(internal, external), same));

test.run();
