/** What one node must hear of its objects, on virtual time: order, window, tries, comparison, copies that lag behind. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { responseTo } from '#wire/message.ts';
import { keyOf, mapObject, nodeObjectsRig, recordOf } from '#test/support/node-objects-rig.ts';

test('on connect a node is told what it lacks, in order, and what it acknowledges is recorded', () => {
  const { connect, has, frames, writes } = nodeObjectsRig({ records: [recordOf(mapObject('b', 2))] });
  has(mapObject('a', 1), mapObject('b', 2), mapObject('c', 3));
  connect();
  assert.equal(frames(), ['insert a@1', 'insert c@3']);
  assert.equal(writes, ['put default/configmap/a 1', 'put default/configmap/c 3']);
});

test('a window of 32 is in flight; of a key that changes meanwhile only the newest is told', () => {
  const { connect, has, sent, frames } = nodeObjectsRig();
  has(...Array.from({ length: 50 }, (_, index) => mapObject(`m${index}`, index + 1)));
  const objects = connect();
  assert.is(sent.length, 32);
  for (const version of [100, 101]) {
    has(mapObject('m0', version), mapObject('m40', version + 100));
    objects.changed(keyOf('m0'));
    objects.changed(keyOf('m40'));
  }
  const all = frames();
  assert.is(all.length, 51);
  assert.equal(
    all.filter((text) => /m(0|40)@/.test(text)),
    ['insert m0@1', 'insert m40@201', 'update m0@101'],
  );
});

test('it is sent five times, then left to the comparison, after longer and longer pauses', async () => {
  const { connect, has, frames, clock, window } = nodeObjectsRig();
  has(mapObject('a', 1));
  const objects = connect();
  await clock.advance(49_999);
  assert.is(frames('none').length, 5);
  await clock.advance(1);
  assert.equal([window.size, objects.waiting], [0, 0]);
  const rounds: number[] = [];
  for (let second = 0; second < 400; second++) {
    await clock.advance(1000);
    objects.compare();
    if (frames('none').length > 0 && objects.waiting === 1) rounds.push(second);
  }
  assert.ok(rounds.length > 10, 'it never gives up for good');
  objects.changed(keyOf('a'));
  has(mapObject('a', 2));
  await clock.advance(60_000);
  objects.compare();
  while (objects.waiting > 0) {
    frames();
    await clock.advance(10_000);
  }
  objects.compare();
  assert.equal(frames(), []);
});

test('what the edge refuses is told again with pauses, five times in all', async () => {
  const { connect, has, frames, clock, writes } = nodeObjectsRig();
  has(mapObject('a', 1));
  const objects = connect();
  let told = 0;
  for (let second = 0; second < 300 && objects.waiting > 0; second++) {
    told += frames('error').length;
    await clock.advance(1000);
  }
  assert.equal([told, writes, objects.waiting], [5, [], 0]);
  await clock.advance(60_000);
  objects.compare();
  assert.equal(frames(), ['insert a@1']);
});

test('a refusal while a newer version waits does not block the object', async () => {
  const { connect, has, frames, clock } = nodeObjectsRig();
  has(mapObject('a', 1));
  const objects = connect();
  has(mapObject('a', 2));
  objects.changed(keyOf('a'));
  assert.equal(frames('error'), ['insert a@1']);
  await clock.advance(2000);
  assert.equal(frames(), ['insert a@2']);
  has(mapObject('a', 3));
  objects.changed(keyOf('a'));
  assert.equal([frames(), objects.waiting], [['update a@3'], 0]);
});

test('what the node is not to have is deleted by its uid, with the version it went at, and its record removed', () => {
  const { connect, wanted, frames, sent, writes } = nodeObjectsRig({ records: [recordOf(mapObject('a', 5)), recordOf(mapObject('b', 6))] });
  wanted.set(keyOf('a'), { state: 'unwanted', version: '90' });
  connect();
  const metadata = sent.map(({ content }) => (content as { metadata: object }).metadata);
  assert.equal(frames(), ['delete a@90', 'delete b@6']);
  assert.equal(metadata[0], { name: 'a', namespace: 'default', uid: 'uid-a', resourceVersion: '90' });
  assert.equal(writes, ['remove default/configmap/a uid-a', 'remove default/configmap/b uid-b']);
});

test('an object that was made again under its name replaces the old one; a KubeEdge edge is first told to delete that', () => {
  for (const [peer, told] of [
    ['hivelet', ['insert a@9']],
    ['kubeedge', ['delete a@5', 'insert a@9']],
  ] as const) {
    const { connect, has, frames, writes } = nodeObjectsRig({ peer, records: [recordOf(mapObject('a', 5))] });
    has(mapObject('a', 9, { uid: 'uid-new' }));
    connect();
    assert.equal(frames(), [...told]);
    assert.equal([...writes].sort(), ['put default/configmap/a 9', 'remove default/configmap/a uid-a']);
  }
});

test('of two records of one object the newer one counts, and the other goes', () => {
  const old = recordOf(mapObject('a', 5, { uid: 'uid-old' }));
  for (const records of [
    [old, recordOf(mapObject('a', 9))],
    [recordOf(mapObject('a', 9)), old],
  ]) {
    const { connect, has, frames, writes } = nodeObjectsRig({ records });
    has(mapObject('a', 9));
    connect();
    assert.equal([frames(), writes], [[], ['remove default/configmap/a uid-old']]);
  }
});

test('a copy that lags behind tells nothing older than another replica has told', () => {
  const { connect, has, frames } = nodeObjectsRig({
    records: [recordOf(mapObject('a', 9)), recordOf(mapObject('b', 8, { uid: 'uid-new' }))],
  });
  has(mapObject('a', 7), mapObject('b', 3, { uid: 'uid-old' }));
  const objects = connect();
  assert.equal(frames(), []);
  has(mapObject('a', 12), mapObject('b', 8, { uid: 'uid-new' }));
  objects.compare();
  assert.equal(frames(), ['update a@12']);
});

test('nothing is deleted on the word of a copy that may lag: the API is asked, once for all of them', async () => {
  const { connect, truth, frames, clock, has } = nodeObjectsRig({
    records: [recordOf(mapObject('a', 5), 70), recordOf(mapObject('b', 6), 71)],
  });
  truth.covers = false;
  truth.confirmed = (key) => key === keyOf('b');
  const objects = connect();
  assert.equal(frames(), []);
  await clock.settle();
  assert.equal(truth.asked, [[keyOf('a'), keyOf('b')]]);
  assert.equal(frames(), ['delete b@6'], 'a is to stay: our copy does not know it yet');
  has(mapObject('a', 5));
  objects.compare();
  await clock.settle();
  assert.equal([frames(), truth.asked.length], [[], 1]);
});

test('a change of the status alone is not told', () => {
  const { connect, has, frames } = nodeObjectsRig();
  const pod = mapObject('a', 1);
  has(pod);
  const objects = connect();
  frames();
  has({ ...pod, metadata: { ...pod.metadata, resourceVersion: '2' }, status: { phase: 'Running' } });
  objects.changed(keyOf('a'));
  assert.equal(frames(), []);
  has(mapObject('a', 3));
  objects.changed(keyOf('a'));
  assert.equal(frames(), ['update a@3']);
});

test('of a node that is none of the edge nothing is told and nothing is taken away', () => {
  const { connect, truth, has, frames } = nodeObjectsRig({ records: [recordOf(mapObject('gone', 5))] });
  truth.isEdge = false;
  has(mapObject('a', 1));
  const objects = connect();
  assert.equal(frames(), []);
  truth.isEdge = true;
  objects.compare();
  assert.equal(frames(), ['insert a@1', 'delete gone@5']);
});

test('what the node says it has is believed, but for what this link has told', async () => {
  const { connect, has, frames, sent, window, writes, clock } = nodeObjectsRig({
    records: [recordOf(mapObject('lost', 2)), recordOf(mapObject('old', 8))],
  });
  has(mapObject('a', 1), mapObject('lost', 2), mapObject('old', 8));
  const objects = connect();
  has(mapObject('unrecorded', 4));
  const [first] = sent.splice(0);
  objects.announced(
    new Map([
      [keyOf('old'), { uid: 'uid-old', version: '7' }],
      [keyOf('unrecorded'), { uid: 'uid-unrecorded', version: '4' }],
      [keyOf('foreign'), { uid: 'uid-foreign', version: '' }],
    ]),
  );
  await clock.settle();
  if (first !== undefined) window.settle(responseTo(first, 0));
  assert.is(first?.route.resource, keyOf('a'));
  assert.equal(frames(), ['insert lost@2', 'update old@8', 'delete foreign@']);
  objects.compare();
  assert.ok(writes.includes('put default/configmap/unrecorded 4'), 'what it had already is written down');
  const late = ['a', 'lost', 'old'].map((name) => [keyOf(name), { uid: `uid-${name}`, version: '0' }] as const);
  objects.announced(new Map([...late, [keyOf('unrecorded'), { uid: 'uid-unrecorded', version: '4' }]]));
  assert.equal(frames(), [], 'that was said before it had taken what it acknowledged');
});

test('a record that somebody deletes makes the object be told anew', () => {
  const { connect, has, frames } = nodeObjectsRig();
  has(mapObject('a', 1));
  const objects = connect();
  frames();
  objects.unrecorded(recordOf(mapObject('a', 1, { uid: 'uid-before' })));
  assert.equal(frames(), [], 'not for another object');
  objects.unrecorded(recordOf(mapObject('a', 1)));
  assert.equal(frames(), ['insert a@1']);
});

test('a record that the other replica wrote late says what the node has', () => {
  const { connect, has, frames, truth } = nodeObjectsRig();
  truth.isEdge = false;
  has(mapObject('a', 4));
  const objects = connect();
  objects.recorded(recordOf(mapObject('a', 4)));
  truth.isEdge = true;
  objects.compare();
  assert.equal(frames(), []);
});

test('a KubeEdge edge is told one object at a time, every 5 s, five times; then the next one has its turn', async () => {
  const { connect, has, sent, frames, clock, wanted } = nodeObjectsRig({ peer: 'kubeedge' });
  has(mapObject('a', 1), mapObject('b', 2));
  wanted.set(keyOf('s', 'service'), { state: 'wanted', object: mapObject('s', 3) });
  const objects = connect();
  assert.is(sent.length, 1);
  await clock.advance(24_999);
  assert.equal(frames('none'), ['insert a@1', 'insert a@1', 'insert a@1', 'insert a@1', 'insert a@1']);
  await clock.advance(1);
  assert.equal(frames(), ['insert b@2'], 'and no service: KubeEdge pushes none');
  await clock.advance(5000);
  objects.compare();
  assert.equal([frames(), objects.waiting], [['insert a@1'], 0]);
  has(mapObject('a', 5), mapObject('b', 6));
  objects.changed(keyOf('a'));
  objects.changed(keyOf('b'));
  assert.equal(frames(), ['update a@5', 'update b@6']);
});

test('after the end of the link nothing is told', () => {
  const { connect, has, sent, abort } = nodeObjectsRig();
  const objects = connect();
  abort.abort();
  has(mapObject('a', 1));
  objects.changed(keyOf('a'));
  objects.compare();
  assert.is(sent.length, 0);
});

test.run();
