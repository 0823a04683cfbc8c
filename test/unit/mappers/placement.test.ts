/** Proves where plugins run: as they declare, or as the configuration says. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { createPluginTable } from '#mappers/index.ts';
import { placedInVain, placesOf } from '#mappers/placement.ts';

const table = createPluginTable();

test('what is not configured runs where it declares', () => {
  const places = placesOf(table, {});
  for (const { plugin, placement } of table.values()) assert.is(places.get(plugin), placement);
  assert.is(places.get('modbus'), 'inside');
});

test('the configuration wins, by any name of the protocol and in any case', () => {
  assert.is(placesOf(table, { modbus: 'child' }).get('modbus'), 'child');
  assert.is(placesOf(table, { 'Modbus-RTU': 'service' }).get('modbus'), 'service');
  assert.is(placesOf(table, { modbus: 'child' }).get('iio'), 'inside');
});

test('a plugin that is not there may come later: its place changes nothing else', () => {
  assert.equal(placesOf(table, { X10: 'inside' }), placesOf(table, {}));
  assert.equal(placedInVain(table, { X10: 'inside', 'Modbus-TCP': 'child' }), ['X10']);
  const later = new Map([...table, ['x10', { ...table.get('modbus')!, plugin: 'x10', placement: 'child' }]] as const);
  assert.is(placesOf(later, { X10: 'inside' }).get('x10'), 'inside');
});

for (const [what, wanted, message] of [
  [
    'a protocol with a typing error',
    { blutooth: 'child' },
    /^modules\.mapperHost\.placement\.blutooth is no protocol that a plugin serves; did you mean bluetooth\?$/,
  ],
  [
    'a service of a plugin that is not there',
    { x10: 'service' },
    /^modules\.mapperHost\.placement\.x10 cannot be service: the plugin x10 has files in the data directory; use child$/,
  ],
  ['a place that there is not', { modbus: 'outside' }, /^modules\.mapperHost\.placement\.modbus is "outside"; use inside, child, service$/],
  [
    'a service that could not see its files',
    { 'opc-ua': 'service' },
    /^modules\.mapperHost\.placement\.opc-ua cannot be service: the plugin opcua has files in the data directory; use child$/,
  ],
] as const) {
  test(`${what} is told at the start`, () => {
    try {
      placesOf(table, wanted);
      assert.unreachable();
    } catch (error) {
      assert.ok(isHiveletError(error, 'CONFIG_INVALID'));
      assert.match(error.message, message);
    }
  });
}

test.run();
