/** One Node object: registered, kept, lost, deleted and registered again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { NodeKeeper } from '#cloud/edgecontroller/node-keeper.ts';
import { nodes, type KubeObject } from '#cloud/store/kube-api.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const registration = { metadata: { name: 'pi', labels: { board: 'pi-4' } }, status: {} };

function rig() {
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const abort = new AbortController();
  const keeper = new NodeKeeper({
    name: 'pi',
    api,
    clock,
    log: silentLogger(),
    signal: abort.signal,
    seen: () => api.peek(nodes, { name: 'pi' }),
    signs: () => ({ serves: true, leadsSinceMs: 0, renewedMs: undefined }),
    confirm: () => Promise.resolve(true),
  });
  const heard: string[] = [];
  const say = (word: Parameters<NodeKeeper['say']>[0]): void => {
    keeper.heard();
    keeper.say(word, { done: () => heard.push('OK'), failed: (reason) => heard.push(reason) });
  };
  const ready = (): string | undefined => {
    const status = api.peek(nodes, { name: 'pi' })?.status as { conditions?: { type: string; status: string }[] } | undefined;
    return status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  };
  const tick = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 1000) {
      await clock.advance(1000);
      keeper.tick();
      await clock.settle();
    }
  };
  return { clock, api, abort, keeper, heard, say, ready, tick };
}

test('a registration makes the Node, Ready, and is answered when the API has it', async () => {
  const { clock, api, say, heard, ready } = rig();
  say({ registration, status: {} });
  assert.equal(heard, []);
  await clock.settle();
  assert.equal(heard, ['OK']);
  assert.is(api.peek(nodes, { name: 'pi' })?.metadata.labels?.board, 'pi-4');
  assert.is(ready(), 'True');
  assert.equal(
    api.calls.map(({ verb, patch }) => [verb, patch?.subresource, patch?.persist]),
    [
      ['create', undefined, undefined],
      ['patch', 'status', 'later'],
    ],
  );
});

test('a node that goes silent is Unknown after 40 s, and Ready with its next frame', async () => {
  const { clock, keeper, say, ready, tick } = rig();
  say({ registration, status: {} });
  await tick(39_000);
  assert.is(ready(), 'True');
  await tick(2000);
  assert.is(ready(), 'Unknown');
  keeper.heard();
  keeper.tick();
  await clock.settle();
  assert.is(ready(), 'True');
});

test('a Node deleted by somebody stays deleted until the node speaks of itself again', async () => {
  const { clock, api, keeper, say, ready, heard, tick } = rig();
  say({ registration, status: {} });
  await clock.settle();
  api.remove(nodes, { name: 'pi' });
  for (let count = 0; count < 5; count++) {
    keeper.heard();
    await tick(1000);
  }
  assert.is(api.peek(nodes, { name: 'pi' }), undefined);
  say({ status: { capacity: { cpu: '4' } } });
  await clock.settle();
  assert.is(ready(), 'True');
  assert.is(api.peek(nodes, { name: 'pi' })?.metadata.labels?.board, 'pi-4', 'its labels are remembered');
  assert.equal(heard, ['OK', 'OK']);
});

test('a label that somebody changed or took away stays, also when the node registers again', async () => {
  const { clock, api, keeper, say } = rig();
  const node = (): KubeObject => api.peek(nodes, { name: 'pi' })!;
  say({ registration: { metadata: { name: 'pi', labels: { board: 'pi-4', room: 'hall' } } }, status: {} });
  await clock.settle();
  const { room: _gone, ...labels } = node().metadata.labels ?? {};
  api.put(nodes, { ...node(), metadata: { ...node().metadata, labels: { ...labels, board: 'mine' } }, spec: { unschedulable: true } });
  keeper.look();
  say({ status: { capacity: { cpu: '4' } } });
  say({ registration: { metadata: { name: 'pi', labels: { board: 'pi-4', room: 'hall' } } }, status: {} });
  await clock.settle();
  assert.equal([node().metadata.labels?.board, node().metadata.labels?.room], ['mine', undefined]);
  say({ registration: { metadata: { name: 'pi', labels: { board: 'pi-5', room: 'hall' } } }, status: {} });
  await clock.settle();
  assert.equal([node().metadata.labels?.board, node().metadata.labels?.room], ['pi-5', undefined], 'the edge itself is told otherwise now');
  assert.equal(node().spec, { unschedulable: true });
});

test('somebody who writes in between is not overwritten, and the node is answered all the same', async () => {
  const { clock, api, say, heard } = rig();
  say({ registration, status: {} });
  await clock.settle();
  let once = true;
  api.before = ({ verb }) => {
    if (verb !== 'patch' || !once) return;
    once = false;
    const node = api.peek(nodes, { name: 'pi' })!;
    api.put(nodes, { ...node, spec: { unschedulable: true } });
  };
  say({ status: { capacity: { cpu: '8' } } });
  await clock.settle();
  const node = api.peek(nodes, { name: 'pi' })!;
  assert.equal([node.spec, (node.status as { capacity: unknown }).capacity], [{ unschedulable: true }, { cpu: '8' }]);
  assert.equal(heard, ['OK', 'OK']);
});

test('a status that the API lost in a crash is written again', async () => {
  const { clock, api, keeper, say } = rig();
  const capacity = (): unknown => (api.peek(nodes, { name: 'pi' })?.status as { capacity?: unknown } | undefined)?.capacity;
  say({ registration, status: { capacity: { cpu: '4' } } });
  await clock.settle();
  keeper.look();
  await clock.settle();
  const { status: _lost, ...node } = api.peek(nodes, { name: 'pi' })!;
  api.put(nodes, node);
  keeper.look();
  await clock.settle();
  assert.equal(capacity(), { cpu: '4' });
  const writes = api.calls.length;
  keeper.look();
  await clock.settle();
  assert.is(api.calls.length, writes, 'our own write causes no other');
});

test('keepalives alone make no Node', async () => {
  const { api, keeper, tick } = rig();
  keeper.heard();
  await tick(3000);
  assert.is(api.peek(nodes, { name: 'pi' }), undefined);
});

test('a failed write is told, tried again with back-off, and done once', async () => {
  const { clock, api, say, heard, ready } = rig();
  let broken = true;
  api.before = () => {
    if (broken) throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
  };
  say({ registration, status: {} });
  await clock.settle();
  assert.equal(heard, ['ServiceUnavailable']);
  broken = false;
  await clock.advance(500);
  assert.is(ready(), 'True');
  assert.equal(heard, ['ServiceUnavailable']);
});

test('words that come during a write are written after it', async () => {
  const { clock, api, say, heard } = rig();
  let release: () => void = () => undefined;
  api.before = () => new Promise((resolve) => (release = resolve));
  say({ registration, status: {} });
  await clock.settle();
  say({ status: { capacity: { cpu: '8' } } });
  api.before = () => undefined;
  release();
  await clock.settle();
  assert.equal(heard, ['OK', 'OK']);
  assert.equal((api.peek(nodes, { name: 'pi' })?.status as { capacity: unknown }).capacity, { cpu: '8' });
});

test('after the stop nothing is tried again', async () => {
  const { clock, api, abort, say } = rig();
  api.before = () => {
    throw MemoryKubeApi.failure(503, 'ServiceUnavailable');
  };
  say({ registration, status: {} });
  await clock.settle();
  abort.abort();
  await clock.settle();
  const tries = api.calls.length;
  await clock.advance(60_000);
  assert.is(api.calls.length, tries);
  assert.is(clock.pending, 0);
});

test.run();
