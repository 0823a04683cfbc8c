/** Who is bound to which node under which name, and who hears of a change. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DeviceBook } from '#cloud/devicecontroller/device-book.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { thermostat, thermostatModel } from '#test/support/device-objects.ts';

function rig() {
  const models = new Map<string, KubeObject>([['default/therm', thermostatModel()]]);
  const heard: string[] = [];
  const book = new DeviceBook({
    model: (key) => models.get(key),
    bindingChanged: (node, name) => heard.push(`${node}:${name}`),
    statusChanged: (key) => heard.push(key),
  });
  const news = (): string[] => heard.splice(0);
  return { book, models, news };
}

test('a device is bound to the node that it names', () => {
  const { book, news } = rig();
  book.upsert(thermostat());
  assert.is(book.bound('pi', 'thermo')?.uid, 'uid-default-thermo');
  assert.equal(
    [...book.boundTo('pi')].map(({ key }) => key),
    ['default/thermo'],
  );
  assert.equal(news(), ['pi:thermo', 'default/thermo']);
});

test('a device that moves leaves the old node and joins the new one', () => {
  const { book, news } = rig();
  book.upsert(thermostat());
  news();
  book.upsert(thermostat({ node: 'other', version: 8 }));
  assert.is(book.bound('pi', 'thermo'), undefined);
  assert.is(book.bound('other', 'thermo')?.key, 'default/thermo');
  assert.equal(news(), ['pi:thermo', 'other:thermo', 'default/thermo']);
  assert.is(book.grave('uid-default-thermo'), undefined);
});

test('of two devices of one name on one node the older is bound, the other sees its rival', () => {
  const { book, news } = rig();
  const young = thermostat({ namespace: 'a', created: '2026-02-02T00:00:00Z' });
  const old = thermostat({ namespace: 'z', created: '2026-01-01T00:00:00Z' });
  book.upsert(young);
  book.upsert(old);
  assert.is(book.bound('pi', 'thermo')?.key, 'z/thermo');
  assert.is(book.rivalOf(book.view('a/thermo')!)?.key, 'z/thermo');
  assert.is(book.rivalOf(book.view('z/thermo')!), undefined);
  news();
  book.remove(old);
  assert.is(book.bound('pi', 'thermo')?.key, 'a/thermo');
  assert.equal(news(), ['pi:thermo', 'a/thermo'], 'the winner hears that its conflict is over');
});

test('devices of one second are told apart by uid', () => {
  const { book } = rig();
  book.upsert(thermostat({ namespace: 'a', uid: 'uid-2' }));
  book.upsert(thermostat({ namespace: 'b', uid: 'uid-1' }));
  assert.is(book.bound('pi', 'thermo')?.uid, 'uid-1');
});

test('a deleted device leaves a grave; one made again under its name is another device', () => {
  const { book } = rig();
  book.upsert(thermostat({ uid: 'first' }));
  book.remove(thermostat({ uid: 'first' }));
  assert.equal(book.grave('first'), { node: 'pi', name: 'thermo' });
  book.upsert(thermostat({ uid: 'second' }));
  assert.is(book.byUid('first'), undefined);
  assert.is(book.bound('pi', 'thermo')?.uid, 'second');
});

test('the removal of an older device of the same key does not touch the newer one', () => {
  const { book } = rig();
  book.upsert(thermostat({ uid: 'first' }));
  book.upsert(thermostat({ uid: 'second' }));
  book.remove(thermostat({ uid: 'first' }));
  assert.is(book.bound('pi', 'thermo')?.uid, 'second');
  assert.equal(book.grave('first'), { node: 'pi', name: 'thermo' });
});

test('a changed model is read into its devices, also when it comes after them', () => {
  const { book, models, news } = rig();
  models.clear();
  book.upsert(thermostat());
  assert.is(book.view('default/thermo')?.modelMissing, true);
  const before = book.view('default/thermo')?.definition;
  news();
  models.set('default/therm', thermostatModel());
  book.modelChanged('default/therm');
  assert.is(book.view('default/thermo')?.modelMissing, false);
  assert.is.not(book.view('default/thermo')?.definition, before);
  assert.equal(news(), ['pi:thermo', 'default/thermo']);
});

test('a deleted model stays in use until it is back', () => {
  const { book, models } = rig();
  book.upsert(thermostat());
  const { definition } = book.view('default/thermo')!;
  models.clear();
  book.modelChanged('default/therm');
  book.upsert(thermostat({ version: 9 }));
  assert.is(book.view('default/thermo')?.modelMissing, true);
  assert.is(book.view('default/thermo')?.definition, definition);
});

test('models of another namespace are not taken', () => {
  const { book, news } = rig();
  book.upsert(thermostat({ namespace: 'hall' }));
  assert.is(book.view('hall/thermo')?.modelMissing, true);
  news();
  book.modelChanged('default/therm');
  assert.equal(news(), []);
});

test('a device without a node is known but bound nowhere', () => {
  const { book, news } = rig();
  const { spec: _spec, ...bare } = thermostat();
  book.upsert(bare);
  assert.is(book.size, 1);
  assert.is(book.rivalOf(book.view('default/thermo')!), undefined);
  assert.equal(news(), ['default/thermo']);
  book.remove(bare);
  assert.is(book.size, 0);
});

test.run();
