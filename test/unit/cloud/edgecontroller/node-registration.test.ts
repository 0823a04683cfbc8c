/** What a registration puts into a Node, and what it leaves to users. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { REGISTERED, isEdgeNode, newNode, registrationPatch } from '#cloud/edgecontroller/node-registration.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';

const TAINT = { key: 'edge', effect: 'NoSchedule' };
const registration = {
  kind: 'Node',
  metadata: { name: 'pi', labels: { 'kubernetes.io/arch': 'arm64', board: 'pi-4' }, annotations: { note: 'x' } },
  spec: { taints: [TAINT] },
  status: { capacity: { cpu: '4' } },
};

function stored(change: Partial<KubeObject['metadata']> = {}, spec?: object): KubeObject {
  const made = newNode('pi', registration);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    ...made,
    metadata: { name: 'pi', ...made.metadata, ...change },
    ...(spec === undefined ? {} : { spec }),
  };
}

/** Without the record of what was registered. */
function patch(node: KubeObject, said: Record<string, unknown> = registration): unknown {
  const found = registrationPatch(node, said) as { metadata: { annotations: Record<string, string> } } | undefined;
  if (found === undefined) return undefined;
  const { [REGISTERED]: record, ...annotations } = found.metadata.annotations;
  assert.type(record, 'string');
  return { ...found, metadata: { ...found.metadata, annotations } };
}

test('a new Node carries the labels, annotations and taints of the registration, and is known as an edge', () => {
  const made = newNode('pi', registration);
  assert.equal(made.metadata.labels, {
    'kubernetes.io/hostname': 'pi',
    'kubernetes.io/os': 'linux',
    'node-role.kubernetes.io/agent': '',
    'node-role.kubernetes.io/edge': '',
    'kubernetes.io/arch': 'arm64',
    board: 'pi-4',
  });
  assert.is(made.metadata.annotations?.note, 'x');
  assert.equal(made.spec, { taints: [TAINT] });
  assert.ok(isEdgeNode(stored()));
  assert.not(isEdgeNode(stored({ labels: {} })));
  assert.is(newNode('pi', undefined).metadata.labels?.['kubernetes.io/hostname'], 'pi', 'an edge that never registered with us');
});

test('the same registration again changes nothing, whatever users did', () => {
  assert.is(patch(stored()), undefined);
  assert.is(patch(stored({ labels: { board: 'mine' } }, { taints: [], unschedulable: true })), undefined);
  assert.is(registrationPatch(stored(), undefined), undefined);
});

test('a Node that somebody made before the edge came gets what it lacks', () => {
  const made: KubeObject = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'pi', labels: { board: 'mine' } } };
  assert.equal(patch(made), {
    metadata: { labels: { 'kubernetes.io/arch': 'arm64' }, annotations: { note: 'x' } },
    spec: { taints: [TAINT] },
  });
});

for (const [what, node, said, expected] of [
  [
    'a label that the edge changed is set, one that it gave up goes',
    stored(),
    { ...registration, metadata: { name: 'pi', labels: { board: 'pi-5' }, annotations: { note: 'x' } } },
    { metadata: { labels: { board: 'pi-5', 'kubernetes.io/arch': null }, annotations: {} } },
  ],
  [
    'one that the edge gave up stays when a user changed it meanwhile',
    stored({ labels: { board: 'mine' } }),
    { ...registration, metadata: { name: 'pi', labels: { 'kubernetes.io/arch': 'arm64' }, annotations: { note: 'x' } } },
    { metadata: { annotations: {} } },
  ],
  [
    'a taint of a user stays beside a new one of the edge, and one that the edge gave up goes',
    stored({}, { taints: [TAINT, { key: 'maintenance', effect: 'NoExecute' }] }),
    { ...registration, spec: { taints: [{ key: 'slow', value: 'yes', effect: 'NoSchedule' }] } },
    {
      metadata: { annotations: {} },
      spec: {
        taints: [
          { key: 'maintenance', effect: 'NoExecute' },
          { key: 'slow', value: 'yes', effect: 'NoSchedule' },
        ],
      },
    },
  ],
  [
    'a taint that a user took away stays away',
    stored({}, { taints: [] }),
    { ...registration, metadata: { ...registration.metadata, annotations: { note: 'y' } } },
    { metadata: { annotations: { note: 'y' } } },
  ],
] as const) {
  test(what, () => assert.equal(patch(node, said), expected));
}

test('a record that somebody spoilt is as good as none', () => {
  assert.equal(patch(stored({ annotations: { [REGISTERED]: '{' }, labels: { board: 'mine' } }, {})), {
    metadata: { labels: { 'kubernetes.io/arch': 'arm64' }, annotations: { note: 'x' } },
    spec: { taints: [TAINT] },
  });
});

test.run();
