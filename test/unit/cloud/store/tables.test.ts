/** Printer columns: ages, JSONPath, cells of nodes and devices; the order of versions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ageOf, humanDuration } from '#cloud/store/embedded/ages.ts';
import { compileJsonPath } from '#cloud/store/embedded/json-path.ts';
import { customColumns, nodeColumns, readFallbacks } from '#cloud/store/embedded/kinds/columns.ts';
import { compareVersions } from '#cloud/store/embedded/kinds/registry.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;
const durations: [number, string][] = [
  [-5 * S, '<invalid>'],
  [0, '0s'],
  [119 * S, '119s'],
  [120 * S, '2m'],
  [125 * S, '2m5s'],
  [10 * M, '10m'],
  [179 * M, '179m'],
  [3 * H, '3h'],
  [3 * H + 20 * M, '3h20m'],
  [47 * H, '47h'],
  [2 * D + 3 * H, '2d3h'],
  [8 * D, '8d'],
  [729 * D, '729d'],
  [2 * 365 * D + 20 * D, '2y20d'],
  [9 * 365 * D, '9y'],
];
for (const [ms, text] of durations) test(`${ms} ms is ${text}`, () => assert.is(humanDuration(ms), text));

test('the age of what is no time is unknown', () => {
  assert.is(ageOf(undefined, 0), '<unknown>');
  assert.is(ageOf('soon', 0), '<unknown>');
  assert.is(ageOf('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1, 0, 5)), '5m');
});

const object = {
  a: {
    b: [
      { type: 'X', status: '1' },
      { type: 'Ready', status: 'True' },
    ],
    'c.d/e': 5,
  },
};
const paths: [string, unknown[] | undefined][] = [
  ['.a.b[0].type', ['X']],
  ['.a.b[*].type', ['X', 'Ready']],
  ['.a.b[?(@.type=="Ready")].status', ['True']],
  ["{.a.b[?(@.type=='Ready')].status}", ['True']],
  ['.a.b[-1].type', ['Ready']],
  [".a['c.d/e']", [5]],
  ['.a.c\\.d/e', [5]],
  ['.a.missing', []],
  ['.a.b[9]', []],
  ['.constructor', []],
  ['.a[', undefined],
];
for (const [path, hits] of paths) test(`the path ${path}`, () => assert.equal(compileJsonPath(path)?.(object), hits));

function cells(columns: ReturnType<typeof customColumns> | typeof nodeColumns, of: unknown): unknown[] {
  return columns.map((column) => column.cell(of as KubeObject, Date.UTC(2026, 0, 1, 0, 0, 30)));
}

test('a node shows whether it is ready, its roles and its version', () => {
  const node = {
    metadata: {
      name: 'pi',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { 'node-role.kubernetes.io/edge': '', 'node-role.kubernetes.io/agent': '' },
    },
    spec: { unschedulable: true },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      addresses: [{ type: 'InternalIP', address: '10.0.0.5' }],
      nodeInfo: { kubeletVersion: 'v1' },
    },
  };
  assert.equal(cells(nodeColumns, node), [
    'Ready,SchedulingDisabled',
    'agent,edge',
    '30s',
    'v1',
    '10.0.0.5',
    '<none>',
    '<unknown>',
    '<unknown>',
    '<unknown>',
  ]);
  assert.equal(cells(nodeColumns, { metadata: { name: 'x' } }).slice(0, 4), ['Unknown', '<none>', '<unknown>', '<none>']);
});

test('a column without a value is filled from its fallbacks, in their order', () => {
  const fallbacks = readFallbacks('Node: .spec.nodeName\nNode: .spec.nodes[0]\nnonsense\n');
  const columns = customColumns(
    [
      { name: 'Node', type: 'string', jsonPath: '.status.node' },
      { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
    ],
    fallbacks,
  );
  assert.equal(cells(columns, { metadata: {}, spec: { nodes: ['b'] } }), ['b', null]);
  assert.equal(cells(columns, { metadata: {}, spec: { nodeName: 'a', nodes: ['b'] } }), ['a', null]);
  assert.equal(
    cells(columns, { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' }, spec: { nodeName: 'a' }, status: { node: 'c' } }),
    ['c', '30s'],
  );
});

test('the best version comes first', () => {
  assert.equal(['v1alpha1', 'v2', 'v1beta1', 'v1', 'v1alpha2', 'foo'].sort(compareVersions), [
    'v2',
    'v1',
    'v1beta1',
    'v1alpha2',
    'v1alpha1',
    'foo',
  ]);
});

test.run();
