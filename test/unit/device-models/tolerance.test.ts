/** Owns the proof that two values count as the same only when the device cannot tell them apart. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { toleranceOf } from '#device-models/tolerance.ts';

const holding = { register: 'HoldingRegister', offset: 0 };

test('a scaled whole number is as exact as half its scale', () => {
  assert.is(toleranceOf({ type: 'float' }, 'modbus', { ...holding, limit: 1, scale: -0.1 }), 0.05);
  assert.is(toleranceOf({ type: 'int' }, 'modbus', { ...holding, limit: 2, scale: 10 }), 5);
  assert.is(toleranceOf({ type: 'float' }, 'iio', { channel: 'in_temp_input', scale: '0.001' }), 0.0005);
});

test('a float of two registers is as exact as IEEE 754, so that scale 1 does not hide half a degree', () => {
  const tolerance = toleranceOf({ type: 'float', minimum: '5', maximum: '35' }, 'modbus', { ...holding, limit: 2, scale: 1 });
  assert.ok(tolerance > 0 && tolerance < 1e-5, String(tolerance));
  assert.ok(Math.abs(Math.fround(34.7) - 34.7) <= tolerance);
  assert.ok(toleranceOf({ type: 'double' }, 'modbus', holding) < 1e-12);
  assert.ok(toleranceOf({ type: 'float' }, 'modbus', holding) < 1e-3);
});

test('texts and booleans, and numbers without a scale, are exact', () => {
  assert.is(toleranceOf({ type: 'string' }, 'modbus', { ...holding, scale: 1 }), 0);
  assert.is(toleranceOf({ type: 'boolean' }, 'modbus', { ...holding, scale: 1 }), 0);
  assert.is(toleranceOf({ type: 'int' }, 'opcua', { nodeID: 'i=1' }), 0);
});

test.run();
