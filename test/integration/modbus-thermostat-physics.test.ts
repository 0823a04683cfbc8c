/** Proves the physics of the thermostat to play with, in virtual time, and that a TCP device loads no serial library. */
import { createRequire } from 'node:module';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { createPlugins } from '#mappers/index.ts';
import { nextTemperature, startThermostat } from '#mappers/modbus/simulate.ts';
import { FakeClock } from '#test/support/fake-clock.ts';

test('after one time constant 63 % of the way is done', () => {
  const after = nextTemperature(10, { target: 20, stepMs: 8000, lagMs: 8000 });
  assert.is(after.toFixed(2), (10 + 10 * (1 - 1 / Math.E)).toFixed(2));
});

test('the room follows the knob, and overshoots nothing', async () => {
  const clock = new FakeClock();
  const thermostat = await startThermostat({ clock, temperature: 15, setpoint: 20, lagMs: 8000 });
  await clock.advance(8000);
  assert.is(thermostat.state().temperature.toFixed(1), (20 - 5 / Math.E).toFixed(1));
  thermostat.turn(10);
  let last = thermostat.state().temperature;
  for (let second = 0; second < 60; second++) {
    await clock.advance(1000);
    const { temperature } = thermostat.state();
    assert.ok(temperature <= last && temperature >= 10);
    last = temperature;
  }
  assert.is(last.toFixed(1), '10.0');
  await thermostat.close();
  assert.is(clock.pending, 0);
});

test('a plugin is loaded once for all its names, and a TCP device brings no serial library', async () => {
  const clock = new FakeClock();
  const thermostat = await startThermostat({ clock });
  const plugins = createPlugins();
  const plugin = await plugins.get('modbus')!();
  for (const name of ['modbus-tcp', 'modbus-rtu']) assert.is(await plugins.get(name)!(), plugin);
  const link = plugin.link({ ip: thermostat.host, port: thermostat.port }, '');
  const connection = await plugin.open(link, { clock, log: silentLogger(), signal: new AbortController().signal });
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  assert.ok(loaded.some((file) => file.includes('modbus-serial')));
  assert.equal(
    loaded.filter((file) => file.includes('serialport')),
    [],
  );
  await connection.close();
  await thermostat.close();
});

test.run();
