/** What the controller derives from a Device: the hashes say what changed, and what the edge reported never comes back down. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { modelKeyOf, viewOf } from '#cloud/devicecontroller/device-view.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';

const model = thermostatModel();

test('reads node, properties and desired values of a Device with its model', () => {
  const view = viewOf(thermostat(), model);
  assert.is(view.key, 'default/thermo');
  assert.is(view.node, 'pi');
  assert.is(view.resourceVersion, 7);
  assert.is(view.modelMissing, false);
  assert.equal(
    view.profile.properties.map(({ name, type, desired }) => [name, type, desired?.value]),
    [
      ['setpoint', 'int', '21'],
      ['temperature', 'float', undefined],
    ],
  );
  assert.equal(view.twins, ['setpoint']);
});

test('another desired text changes only the hash of desired values, another model only that of the definition', () => {
  const view = viewOf(thermostat(), model);
  const warmer = viewOf(thermostat({ desired: '23' }), model);
  const hotter = viewOf(thermostat(), thermostatModel({ maximum: 200 }));
  assert.is(warmer.definition, view.definition);
  assert.is.not(warmer.desired, view.desired);
  assert.is.not(warmer.hash, view.hash);
  assert.is.not(hotter.definition, view.definition);
  assert.is(hotter.desired, view.desired);
  assert.is.not(hotter.hash, view.hash);
});

test('a newer resourceVersion alone, and everything that the cloud writes into status, leave the hash as it is', () => {
  const view = viewOf(thermostat(), model);
  const reported = { value: '19', metadata: { type: 'double', timestamp: '1' } };
  const written = thermostat({
    version: 99,
    status: {
      state: 'online',
      conditions: [{ type: 'Ready', status: 'True' }],
      twins: [
        { propertyName: 'setpoint', desired: { value: '21', metadata: { type: 'int' } }, reported },
        { propertyName: 'temperature', reported },
        { propertyName: 'made-up-by-an-app', reported },
      ],
    },
  });
  const later = viewOf(written, model);
  assert.is(later.hash, view.hash);
  assert.equal(
    later.profile.properties.map(({ name }) => name),
    ['setpoint', 'temperature'],
  );
});

test('a withdrawn desired value is a change; the empty text is no value of an int', () => {
  const view = viewOf(thermostat(), model);
  const withdrawn = viewOf(thermostat({ desired: null }), model);
  assert.is.not(withdrawn.desired, view.desired);
  assert.is(viewOf(thermostat({ desired: '' }), model).desired, withdrawn.desired);
});

test('without its model the last known one is used, and the view says so', () => {
  const view = viewOf(thermostat(), model);
  const orphan = viewOf(thermostat(), undefined, view.model);
  assert.is(orphan.modelMissing, true);
  assert.is(orphan.definition, view.definition);
  const never = viewOf(thermostat(), undefined);
  assert.is(never.modelMissing, true);
  assert.equal(
    never.profile.properties.map(({ name }) => name),
    ['setpoint'],
  );
});

test('the object of the API is not touched', () => {
  const object = thermostat({ status: { twins: [{ propertyName: 'setpoint', reported: { value: '1' } }] } });
  const before = JSON.stringify(object);
  viewOf(object, model);
  assert.is(JSON.stringify(object), before);
});

test('the model lies in the namespace of the Device', () => {
  assert.is(modelKeyOf(thermostat({ namespace: 'hall' })), 'hall/therm');
  const { spec: _spec, ...bare } = thermostat();
  assert.is(modelKeyOf(bare), undefined);
  assert.is(viewOf(bare, undefined).node, undefined);
});

test.run();
