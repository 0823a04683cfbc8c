/** Owns the words for what happens to nodes, as `kubectl describe node` shows them. Pure. */
import type { HappenedEvent, Involved } from '../store/kubeconfig/event-recorder.ts';

/** Something happened to a node that people want to know. */
export type NodeHappening = 'registered' | 'ready' | 'lost' | 'refused';

/** As a kubelet and the node controller do it: the uid is the name. */
export function involvedNode(name: string): Involved {
  return { apiVersion: 'v1', kind: 'Node', name, uid: name };
}

export function nodeEvent(name: string, what: NodeHappening): HappenedEvent {
  switch (what) {
    case 'registered':
      return { type: 'Normal', reason: 'RegisteredNode', message: `node ${name} registered with its certificate` };
    case 'ready':
      return { type: 'Normal', reason: 'NodeReady', message: `node ${name} is connected and says that it is ready` };
    case 'lost':
      return { type: 'Warning', reason: 'NodeNotReady', message: `node ${name} was not heard by any cloudcore for 40 s` };
    case 'refused':
      return { type: 'Warning', reason: 'NodeNotReady', message: `node ${name} is connected and says that it is not ready` };
  }
}
