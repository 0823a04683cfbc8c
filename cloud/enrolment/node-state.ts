/** Owns what a board is told of its own Node: whether it is Ready, and why not. */
import { nodes, type KubeApi } from '../store/kube-api.ts';
import { orNone } from './secrets.ts';

export interface NodeState {
  /** `True`, `False` or `Unknown`, as condition Ready has it; `absent` while there is no Node. */
  ready: string;
  message: string;
}

export async function nodeStateOf(api: KubeApi, name: string): Promise<NodeState> {
  const node = await orNone(api.get(nodes, { name }));
  if (node === undefined) return { ready: 'absent', message: 'the node has not registered yet' };
  const { conditions = [] } = (node['status'] ?? {}) as { conditions?: { type?: string; status?: string; message?: string }[] };
  const ready = conditions.find(({ type }) => type === 'Ready');
  return { ready: ready?.status ?? 'Unknown', message: ready?.message ?? 'the node has said nothing of itself yet' };
}
