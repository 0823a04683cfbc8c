/** What the status of a Node is to say. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HEARTBEAT_MS, readNodeWord, statusPatch, type NodeWord } from '#cloud/edgecontroller/node-object.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';

const NOW = Date.UTC(2026, 5, 1, 12);
const registration = {
  kind: 'Node',
  metadata: { name: 'pi', labels: { 'kubernetes.io/arch': 'arm64', board: 'pi-4' }, annotations: { note: 'x' } },
  spec: { taints: [{ key: 'edge', effect: 'NoSchedule' }] },
  status: { capacity: { cpu: '4' } },
};

interface Shown {
  type: string;
  status: string;
  reason?: string;
  lastHeartbeatTime: string;
  lastTransitionTime: string;
}

function node(status: Record<string, unknown> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name: 'pi', labels: { board: 'pi-4' } }, status };
}

function patch(object: KubeObject, word: NodeWord, over: { readiness?: 'ready' | 'lost' | 'unsaid'; now?: number } = {}) {
  return statusPatch(object, { word, readiness: 'ready', now: NOW, ...over })?.status;
}

test('reads registrations and both spellings of a status, and nothing else', () => {
  assert.equal(readNodeWord(registration, 'insert'), { registration, status: { capacity: { cpu: '4' } } });
  assert.equal(readNodeWord({ UID: '', Status: { capacity: {} }, ExtendResources: null }, 'update'), { status: { capacity: {} } });
  assert.is(readNodeWord({ Status: 'x' }, 'update'), undefined);
  assert.is(readNodeWord({ kind: 'Node' }, 'insert'), undefined);
});

test('the first status makes the Node Ready by the clock of the cloud', () => {
  const status = patch(node(), {
    status: { capacity: { cpu: '4' }, conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '1970-01-01T00:00:00Z' }] },
  });
  assert.equal(status?.capacity, { cpu: '4' });
  assert.equal(status?.conditions, [
    {
      type: 'Ready',
      status: 'True',
      reason: 'EdgeReady',
      message: 'edge is posting ready status',
      lastHeartbeatTime: '2026-06-01T12:00:00Z',
      lastTransitionTime: '2026-06-01T12:00:00Z',
    },
  ]);
});

test('an unchanged status is written again only for its heartbeat, every five minutes', () => {
  const word: NodeWord = {
    status: {
      capacity: { cpu: '4' },
      nodeInfo: { kubeletVersion: 'v' },
      images: [],
      conditions: [{ type: 'MemoryPressure', status: 'False' }],
    },
  };
  const first = patch(node(), word)!;
  const stored = node(first);
  assert.is(patch(stored, word, { now: NOW + 10_000 }), undefined);
  assert.is(patch(stored, { status: { ...word.status, capacity: { cpu: '8' } } }, { now: NOW + 10_000 })?.conditions !== undefined, true);
  const later = patch(stored, word, { now: NOW + HEARTBEAT_MS }) as { conditions: Shown[] };
  assert.equal(Object.keys(later), ['conditions']);
  assert.equal(
    later.conditions.map(({ type, lastHeartbeatTime, lastTransitionTime }) => [type, lastHeartbeatTime, lastTransitionTime]),
    [
      ['MemoryPressure', '2026-06-01T12:05:00Z', '2026-06-01T12:00:00Z'],
      ['Ready', '2026-06-01T12:05:00Z', '2026-06-01T12:00:00Z'],
    ],
  );
});

test('a silent node is Unknown, keeps its last heartbeat and everything else, and comes back', () => {
  const word: NodeWord = { status: { conditions: [{ type: 'DiskPressure', status: 'False' }] } };
  const stored = node({ capacity: { cpu: '4' }, ...patch(node(), word) });
  const lost = patch(stored, word, { readiness: 'lost', now: NOW + 60_000 }) as { conditions: Shown[] };
  assert.equal(
    lost.conditions.map(({ type, status, lastHeartbeatTime, lastTransitionTime }) => [type, status, lastHeartbeatTime, lastTransitionTime]),
    [
      ['DiskPressure', 'False', '2026-06-01T12:00:00Z', '2026-06-01T12:00:00Z'],
      ['Ready', 'Unknown', '2026-06-01T12:00:00Z', '2026-06-01T12:01:00Z'],
    ],
  );
  const gone = node({ ...(stored.status as object), ...lost });
  assert.is(patch(gone, word, { readiness: 'lost', now: NOW + 600_000 }), undefined, 'silence is written once');
  const back = patch(gone, word, { now: NOW + 700_000 }) as { conditions: Shown[] };
  assert.is(back.conditions.find(({ type }) => type === 'Ready')?.status, 'True');
});

test('within the grace after a start the word of the API stands', () => {
  for (const readiness of ['ready', 'lost'] as const) {
    const stored = node(patch(node(), { status: {} }, { readiness }));
    assert.is(patch(stored, {}, { readiness: 'unsaid', now: NOW + 1 }), undefined);
  }
});

test('a node may say that it is not Ready', () => {
  const status = patch(node(), {
    status: { conditions: [{ type: 'Ready', status: 'False', reason: 'DiskFull', message: 'no room' }] },
  }) as {
    conditions: Shown[];
  };
  assert.equal(
    status.conditions.map(({ type, status: word, reason }) => [type, word, reason]),
    [['Ready', 'False', 'DiskFull']],
  );
});

test('fields that the API filled in are no difference; conditions of others stay', () => {
  const foreign = { type: 'NetworkUnavailable', status: 'False', reason: 'x', lastHeartbeatTime: 'h', lastTransitionTime: 't' };
  const stored = node({ daemonEndpoints: { kubeletEndpoint: { Port: 0 } }, conditions: [foreign] });
  const status = patch(stored, { status: { daemonEndpoints: { kubeletEndpoint: {} }, addresses: [] } })!;
  assert.equal(Object.keys(status), ['conditions']);
  assert.equal((status.conditions as Shown[])[0], foreign);
});

test.run();
