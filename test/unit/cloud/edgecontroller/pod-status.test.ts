/** The status of pods on its way up. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLogger } from '#beehive/log.ts';
import { PodStatuses, podStatusPatch, readPodWords, type PodNode } from '#cloud/edgecontroller/pod-status.ts';
import { pods, type KubeObject } from '#cloud/store/kube-api.ts';
import { createMessage, type BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from '#test/support/fake-clock.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';

const update = (resource: string, content: unknown, operation = 'update'): BeehiveMessage =>
  createMessage(0, { source: 'edged', group: 'meta', operation, resource, content });
const word = (name: string, status: object, uid = `uid-${name}`) => ({ UID: uid, Name: name, Status: status });

function pod(name: string, options: { node?: string; status?: object; uid?: string } = {}) {
  const { node = 'pi', status = {}, uid = `uid-${name}` } = options;
  return { metadata: { name, namespace: 'default', uid }, spec: { nodeName: node }, status };
}

function rig(options: { holds?: boolean; wanted?: boolean; peer?: PodNode['peer'] } = {}) {
  const { holds = true, wanted = false, peer = 'hivelet' } = options;
  const clock = new FakeClock();
  const api = new MemoryKubeApi();
  const abort = new AbortController();
  const [answers, offered]: [BeehiveMessage[], BeehiveMessage[]] = [[], []];
  const statuses = new PodStatuses({
    api,
    clock,
    log: silentLogger(),
    signal: abort.signal,
    confirm: () => Promise.resolve(holds),
    wanted: () => wanted,
  });
  const node: PodNode = {
    node: 'pi',
    peer,
    signal: new AbortController().signal,
    send: (answer) => void answers.push(answer),
    offer: (entry) => {
      const message = entry.make();
      if (message !== undefined) offered.push(message);
      return true;
    },
  };
  const say = async (message: BeehiveMessage): Promise<unknown> => {
    const from = answers.length;
    const refusal = statuses.receive(node, message);
    await clock.settle();
    await clock.settle();
    return refusal ?? answers.slice(from).map(({ route, content }) => [route.operation, content])[0];
  };
  const phase = (name: string): unknown =>
    (api.peek(pods, { namespace: 'default', name })?.status as { phase?: unknown } | undefined)?.phase;
  return { api, clock, say, answers, offered, phase, statuses, node };
}

const PATCHED = ['response', 'OK'];

test('a status of one pod, and a list of them, become the status in the API', async () => {
  const { api, say, phase } = rig();
  for (const name of ['one', 'two']) api.put(pods, pod(name));
  assert.equal(await say(update('default/podstatus/one', word('one', { phase: 'Running' }))), PATCHED);
  assert.is(phase('one'), 'Running');
  const list = JSON.stringify([word('one', { phase: 'Succeeded' }), word('two', { phase: 'Running' })]);
  assert.equal(await say(update('default/podstatus', list)), PATCHED);
  assert.equal([phase('one'), phase('two')], ['Succeeded', 'Running']);
  const writes = api.patches(pods).length;
  assert.equal(
    api.patches(pods).map(({ subresource }) => subresource),
    ['status', 'status', 'status'],
  );
  assert.equal(await say(update('default/podstatus', Buffer.from(list).toString('base64'))), PATCHED);
  assert.is(api.patches(pods).length, writes, 'the same again costs nothing');
});

test('a pod that is bound to another node is nobody else’s to speak of', async () => {
  const { api, say, phase } = rig();
  api.put(pods, pod('other', { node: 'pi-2' }));
  api.put(pods, pod('own'));
  const list = [word('other', { phase: 'Failed' }), word('own', { phase: 'Running' })];
  assert.equal(await say(update('default/podstatus', list)), ['error', 'pod default/other is not bound to node pi']);
  assert.equal([phase('other'), phase('own')], [undefined, 'Running'], 'the others count all the same');
});

test('a pod that the cloud does not know, or knows as another one, is to go from the edge', async () => {
  const { api, say, offered, phase } = rig();
  assert.equal(await say(update('default/podstatus/gone', word('gone', { phase: 'Running' }))), PATCHED);
  api.put(pods, pod('again', { uid: 'new' }));
  assert.equal(await say(update('default/podstatus/again', word('again', { phase: 'Failed' }, 'old'))), PATCHED);
  assert.equal(
    offered.map(({ route, content }) => [route.operation, route.resource, (content as KubeObject).metadata.uid]),
    [
      ['delete', 'default/pod/gone', 'uid-gone'],
      ['delete', 'default/pod/again', 'old'],
    ],
  );
  assert.is(phase('again'), undefined);
});

test('a deletion without uid is not sent while the node is to have a pod of that name', async () => {
  const { say, offered } = rig({ wanted: true });
  await say(update('default/podstatus/gone', { Name: 'gone', Status: { phase: 'Running' } }));
  assert.equal(offered, []);
});

test('words that come during a write are told by the newest of them, and all are answered', async () => {
  const { api, clock, answers, phase, statuses, node } = rig();
  api.put(pods, pod('one'));
  let release: () => void = () => undefined;
  api.before = () => new Promise((resolve) => (release = resolve));
  for (const said of ['Pending', 'Running', 'Succeeded'])
    statuses.receive(node, update('default/podstatus/one', word('one', { phase: said })));
  await clock.settle();
  api.before = () => undefined;
  release();
  await clock.settle();
  await clock.settle();
  assert.is(phase('one'), 'Succeeded');
  assert.equal(
    api.patches(pods).map((change) => ('body' in change ? (change.body as { status?: unknown }).status : undefined)),
    [{ phase: 'Pending' }, { phase: 'Succeeded' }],
  );
  assert.is(answers.length, 3);
});

test('what somebody else wrote in between is kept, and the word comes after it', async () => {
  const { api, say, phase } = rig();
  api.put(pods, pod('one'));
  let once = true;
  api.before = ({ verb }) => {
    if (verb !== 'patch' || !once) return;
    once = false;
    api.put(pods, { ...pod('one'), status: { conditions: [{ type: 'PodScheduled', status: 'True' }] } });
  };
  assert.equal(
    await say(update('default/podstatus/one', word('one', { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }))),
    PATCHED,
  );
  assert.is(phase('one'), 'Running');
  assert.equal((api.peek(pods, { namespace: 'default', name: 'one' })!.status as { conditions: unknown }).conditions, [
    { type: 'PodScheduled', status: 'True' },
    { type: 'Ready', status: 'True' },
  ]);
});

test('a replica that does not serve the node any more writes nothing', async () => {
  const { api, say, phase } = rig({ holds: false });
  api.put(pods, pod('one'));
  assert.equal(await say(update('default/podstatus/one', word('one', { phase: 'Running' }))), [
    'error',
    'another cloudcore serves this node now',
  ]);
  assert.is(phase('one'), undefined);
});

test('an edge of KubeEdge waits for no answer', async () => {
  const { api, say, answers, phase } = rig({ peer: 'kubeedge' });
  api.put(pods, pod('one'));
  await say(update('default/podstatus/one', word('one', { phase: 'Running' })));
  assert.equal([phase('one'), answers], ['Running', []]);
});

for (const [what, message] of [
  ['another operation', update('default/podstatus/one', word('one', {}), 'insert')],
  ['another name than that of the resource', update('default/podstatus/one', word('two', {}))],
  ['no status', update('default/podstatus/one', { Name: 'one' })],
  ['no list', update('default/podstatus', word('one', {}))],
  ['a list with something else in it', update('default/podstatus', [word('one', {}), 7])],
  ['no JSON', update('default/podstatus', '[{')],
  ['JSON without end', update('default/podstatus', '['.repeat(100_000))],
  [
    'more pods than a node can have',
    update(
      'default/podstatus',
      Array.from({ length: 1001 }, (_, index) => word(`p${index}`, {})),
    ),
  ],
] as const) {
  test(`refused: ${what}`, () => assert.is(readPodWords(message), undefined));
}

test('fields that the API filled in are no difference', () => {
  const stored = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'x' },
    status: { phase: 'Running', qosClass: 'BestEffort', conditions: [] },
  };
  assert.is(podStatusPatch(stored, { phase: 'Running', conditions: [], hostIP: null }), undefined);
  assert.equal(podStatusPatch(stored, { phase: 'Failed' }), { status: { phase: 'Failed' } });
});

test.run();
