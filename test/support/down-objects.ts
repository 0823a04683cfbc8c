/** Owns the objects that tests send down to nodes, and what a stand-in for an edge has of them after its frames. */
import type { BeehiveMessage } from '#wire/message.ts';
import { configmaps, nodes, pods, type KubeApi, type KubeObject, type KubeObjectInput } from '#cloud/store/kube-api.ts';
import type { FakeEdge } from './fake-edge.ts';

export const EDGE_LABELS = { 'node-role.kubernetes.io/edge': '', 'kubernetes.io/hostname': 'pi' };

export async function createNode(api: KubeApi, name: string): Promise<KubeObject> {
  return api.create(nodes, { metadata: { name, labels: EDGE_LABELS }, spec: {} });
}

export function configmap(name: string, value: string): KubeObjectInput {
  return { metadata: { name, namespace: 'default' }, data: { value } };
}

/** A pod that is bound to `node` and uses these configmaps and secrets. */
export function podOf(
  name: string,
  node: string,
  uses: { configmaps?: string[]; secrets?: string[]; labels?: Record<string, string> } = {},
): KubeObjectInput {
  const { configmaps: maps = [], secrets = [], labels = {} } = uses;
  const volumes = [
    ...maps.map((map) => ({ name: map, configMap: { name: map } })),
    ...secrets.map((secret) => ({ name: secret, secret: { secretName: secret } })),
  ];
  return {
    metadata: { name, namespace: 'default', labels },
    spec: { nodeName: node, containers: [{ name: 'app', image: 'app:1' }], volumes },
  };
}

export async function setValue(api: KubeApi, name: string, value: string): Promise<KubeObject> {
  return api.patch(configmaps, { namespace: 'default', name }, { type: 'merge', body: { data: { value } } });
}

/** Deletes at once, as after the word of an edge. */
export async function removePod(api: KubeApi, name: string): Promise<void> {
  await api.delete(pods, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
}

/** Messages about objects, without answers. */
export function downs(edge: Pick<FakeEdge, 'frames'>, from = 0): BeehiveMessage[] {
  return edge.frames
    .slice(from)
    .filter(({ route, header }) => route.group === 'resource' && header.parent_msg_id === undefined && route.operation !== 'response');
}

/** `insert default/configmap/a` and so on, in order. */
export function said(edge: Pick<FakeEdge, 'frames'>, from = 0): string[] {
  return downs(edge, from).map(({ route }) => `${route.operation} ${route.resource}`);
}

/** Key -> value (or resourceVersion) after these frames, as an edge without a memory for versions has it. */
export function stateOf(frames: readonly BeehiveMessage[]): Map<string, string> {
  const state = new Map<string, string>();
  for (const { route, content, header } of downs({ frames: [...frames] })) {
    if (route.operation === 'delete') state.delete(route.resource);
    else state.set(route.resource, (content as { data?: { value?: string } }).data?.value ?? header.resourceversion ?? '');
  }
  return state;
}

export const at = (name: string) => ({ namespace: 'default', name });
