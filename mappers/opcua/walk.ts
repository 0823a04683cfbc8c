/** Owns walks through a server's address space: level by level, many nodes a request, bounded in nodes and depth. */
import type { NodeId, ReferenceDescription } from 'node-opcua-client';
import type { ServerLink } from './server-link.ts';

export interface WalkedNode {
  readonly node: NodeId;
  readonly namespace: number;
  readonly name: string;
  readonly displayName: string;
  readonly kind: 'object' | 'variable' | 'other';
  /** It describes the node above it, as a range or a unit does. */
  readonly isProperty: boolean;
}

export interface PlacedNode extends WalkedNode {
  /** Browse names from where the walk began, its own one last. */
  readonly path: readonly string[];
}

export const OBJECTS = 'i=85';
/** Of the server itself: diagnostics and types, thousands of nodes that are no device's. */
const SERVER = 'ns=0;i=2253';
const HIERARCHICAL = 'i=33';
const HAS_PROPERTY = 'ns=0;i=46';
const NODES_A_REQUEST = 50;
const SEARCHED_LIMIT = 20_000;
const SEARCHED_DEPTH = 12;

/** What is below each of the nodes, in their order. */
export async function childrenOf(link: ServerLink, nodes: readonly NodeId[], signal: AbortSignal): Promise<WalkedNode[][]> {
  const { opcua } = link;
  const asked = nodes.map((nodeId) => ({
    nodeId,
    referenceTypeId: HIERARCHICAL,
    includeSubtypes: true,
    browseDirection: opcua.BrowseDirection.Forward,
    nodeClassMask: 0,
    resultMask: 0x3f,
  }));
  const results = await link.call((session) => opcua.browseAll(session, asked), signal);
  return results.map(({ references }) => (references ?? []).map((reference) => walked(opcua.NodeClass, reference)));
}

/** Every object and variable below `start` once, nearest first. Ends at the bounds; `onBound` is told of it. */
export async function* walk(
  link: ServerLink,
  {
    start,
    mostNodes,
    deepest,
    signal,
    onBound,
  }: { start: NodeId; mostNodes: number; deepest: number; signal: AbortSignal; onBound?: () => void },
): AsyncGenerator<PlacedNode> {
  const seen = new Set([start.toString(), SERVER]);
  let level: PlacedNode[] = [{ node: start, namespace: 0, name: '', displayName: '', kind: 'object', isProperty: false, path: [] }];
  for (let depth = 0; depth < deepest && level.length > 0; depth++) {
    const next: PlacedNode[] = [];
    for (let from = 0; from < level.length; from += NODES_A_REQUEST) {
      const asked = level.slice(from, from + NODES_A_REQUEST);
      const below = await childrenOf(
        link,
        asked.map(({ node }) => node),
        signal,
      );
      for (const [index, children] of below.entries()) {
        for (const child of children) {
          const key = child.node.toString();
          if (seen.has(key) || child.kind === 'other') continue;
          if (seen.size > mostNodes) return onBound?.();
          seen.add(key);
          const placed = { ...child, path: [...(asked[index]?.path ?? []), child.name] };
          yield placed;
          if (!child.isProperty) next.push(placed);
        }
      }
    }
    level = next;
  }
  if (level.length > 0) onBound?.();
}

/** Variables below the Objects folder, at most two: one is the answer, two are too many. */
export async function findByName(link: ServerLink, matches: (node: WalkedNode) => boolean, signal: AbortSignal): Promise<WalkedNode[]> {
  const found: WalkedNode[] = [];
  const bounds = { start: link.opcua.coerceNodeId(OBJECTS), mostNodes: SEARCHED_LIMIT, deepest: SEARCHED_DEPTH, signal };
  for await (const node of walk(link, bounds)) {
    if (node.kind === 'variable' && matches(node)) found.push(node);
    if (found.length > 1) break;
  }
  return found;
}

function walked(
  classes: { Object: number; Variable: number },
  { nodeId, browseName, displayName, nodeClass, referenceTypeId }: ReferenceDescription,
): WalkedNode {
  const known: number = nodeClass;
  return {
    node: nodeId,
    namespace: browseName.namespaceIndex,
    name: browseName.name ?? '',
    displayName: displayName.text ?? '',
    kind: known === classes.Object ? 'object' : known === classes.Variable ? 'variable' : 'other',
    isProperty: referenceTypeId.toString() === HAS_PROPERTY,
  };
}
