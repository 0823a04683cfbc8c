/** Proves how a visitor names a node: by node id, or by browse names. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { describeAccess, readOpcuaAccess } from '#mappers/opcua/access.ts';

const read = (visitor: Record<string, unknown>): ReturnType<typeof readOpcuaAccess> => readOpcuaAccess(visitor, 'visitor of x');

test('node ids of every kind are taken as they are', () => {
  for (const nodeID of [
    'i=2258',
    'ns=2;i=1003',
    'ns=2;s=Line.Temp; left',
    'ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a',
    'ns=1;b=M/RbKBsRVkePCePcx24oRA==',
    'nsu=urn:press;s=Pressure',
  ])
    assert.equal(read({ nodeID, browseName: 'not looked at' }), { kind: 'node', nodeId: nodeID });
});

test('browse names are a path from the Objects folder down, with or without namespaces', () => {
  const steps = (browseName: string): unknown => {
    const access = read({ browseName });
    return access.kind === 'path' ? access.steps : access;
  };
  assert.equal(steps('2:Line/2:Temperature'), [
    { namespace: 2, name: 'Line' },
    { namespace: 2, name: 'Temperature' },
  ]);
  assert.equal(steps('/Root/Objects/Line/Temperature'), [{ name: 'Line' }, { name: 'Temperature' }]);
  assert.equal(steps('temperature'), [{ name: 'temperature' }]);
  assert.equal(steps('Objects'), [{ name: 'Objects' }]);
  assert.equal(steps('a\\/b/2:c:d'), [{ name: 'a/b' }, { namespace: 2, name: 'c:d' }]);
  assert.is(describeAccess(read({ browseName: '/Objects/a\\/b/2:c' })), 'a\\/b/2:c');
});

test('what names nothing is refused with field and remedy', () => {
  for (const [visitor, sentence] of [
    [{}, /^visitor of x: neither nodeID nor browseName is there; add nodeID/],
    [{ nodeID: 'Temperature' }, /^visitor of x\.nodeID: "Temperature" is no node id: write one such as/],
    [{ nodeID: 'ns=2;g=12' }, /is no node id/],
    [{ nodeID: 'ns=65536;i=1' }, /is no node id/],
    [{ nodeID: 'ns=2;i=4294967296' }, /is no node id/],
    [{ browseName: '///' }, /^visitor of x\.browseName: .* is no path/],
  ] as const)
    assert.throws(
      () => read(visitor),
      (error: unknown) => isHiveletError(error, 'PROFILE_INVALID') && sentence.test(error.message),
    );
});

test.run();
