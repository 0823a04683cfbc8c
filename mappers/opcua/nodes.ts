/** Owns which node a visitor means on one server, and what type it takes: asked once, remembered as long as the session lasts. */
import type { NodeId } from 'node-opcua-client';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import { describeAccess, partsOf, stepText, type BrowseStep, type OpcuaAccess } from './access.ts';
import type { ServerLink } from './server-link.ts';
import { BUILT_IN } from './variant.ts';
import { childrenOf, findByName, OBJECTS, type WalkedNode } from './walk.ts';

/** More would mean that the devices of a server change all the time. */
const REMEMBERED_LIMIT = 10_000;

/** A built-in type, one of it or a list. */
export interface Taken {
  readonly type: number;
  readonly isList: boolean;
}

export class NodeTable {
  readonly #link: ServerLink;
  readonly #nodes = new Map<string, NodeId>();
  readonly #types = new Map<string, Taken>();
  readonly #children = new Map<string, readonly WalkedNode[]>();
  #namespaces: readonly string[] | undefined;

  constructor(link: ServerLink) {
    this.#link = link;
  }

  /** Throws POINT_REJECTED when the server has no such node, DEVICE_UNREACHABLE. */
  async resolve(access: OpcuaAccess, signal: AbortSignal): Promise<NodeId> {
    const key = `${access.kind} ${describeAccess(access)}`;
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const found = access.kind === 'node' ? await this.#byId(access.nodeId, signal) : await this.#byPath(access.steps, signal);
    remember(this.#nodes, key, found);
    return found;
  }

  /** What is to be written to the node. Throws POINT_REJECTED with the server's reason. */
  async typeOf(place: string, node: NodeId, signal: AbortSignal): Promise<Taken> {
    const key = node.toString();
    const known = this.#types.get(key);
    if (known !== undefined) return known;
    const type = await this.#askType(place, node, signal);
    remember(this.#types, key, type);
    return type;
  }

  /** After a restart of the server: it may have come back with other nodes. Answers whether namespaces moved. */
  async forget(signal: AbortSignal): Promise<boolean> {
    const before = this.#namespaces;
    for (const map of [this.#nodes, this.#types, this.#children]) map.clear();
    this.#namespaces = undefined;
    if (before === undefined) return false;
    return (await this.#namespaceArray(signal)).join('\n') !== before.join('\n');
  }

  async #byId(written: string, signal: AbortSignal): Promise<NodeId> {
    const { opcua } = this.#link;
    const { uri, namespace, identifier } = partsOf(written);
    try {
      const index = uri === undefined ? namespace : (await this.#namespaceArray(signal)).indexOf(uri);
      if (index < 0) throw rejected(`${written}: the server has no namespace ${uri ?? ''}`);
      // Given as a whole, an identifier that looks like another node id would be taken for that one.
      return opcua.coerceNodeId(identifier, index);
    } catch (error) {
      if (isHiveletError(error)) throw error;
      throw rejected(`${written}: is no node id: ${messageOf(error)}`);
    }
  }

  async #namespaceArray(signal: AbortSignal): Promise<readonly string[]> {
    return (this.#namespaces ??= await this.#link.call((session) => session.readNamespaceArray(), signal));
  }

  /** A single name is looked for everywhere; a path is followed from the Objects folder. */
  async #byPath(steps: readonly BrowseStep[], signal: AbortSignal): Promise<NodeId> {
    let at: NodeId = this.#link.opcua.coerceNodeId(OBJECTS);
    for (const [index, step] of steps.entries()) {
      const found = (await this.#childrenOf(at, signal)).filter((child) => matches(step, child));
      const [first] = found;
      const way = steps
        .slice(0, index + 1)
        .map(stepText)
        .join('/');
      if (found.length > 1) throw ambiguous(way, found);
      if (first === undefined) {
        if (steps.length === 1) return this.#anywhere(step, signal);
        throw rejected(`${way}: BadNoMatch: no node has these browse names: look them up with hivelet discover opcua`);
      }
      at = first.node;
    }
    return at;
  }

  async #anywhere(step: BrowseStep, signal: AbortSignal): Promise<NodeId> {
    const found = await findByName(this.#link, (child) => matches(step, child), signal);
    const [first] = found;
    if (found.length > 1) throw ambiguous(stepText(step), found);
    if (first === undefined)
      throw rejected(`${stepText(step)}: BadNoMatch: no variable has this browse name: look it up with hivelet discover opcua`);
    return first.node;
  }

  async #childrenOf(node: NodeId, signal: AbortSignal): Promise<readonly WalkedNode[]> {
    const key = node.toString();
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    const [children = []] = await childrenOf(this.#link, [node], signal);
    remember(this.#children, key, children);
    return children;
  }

  async #askType(place: string, node: NodeId, signal: AbortSignal): Promise<Taken> {
    const { opcua } = this.#link;
    const { AttributeIds } = opcua;
    const attributes = [AttributeIds.DataType, AttributeIds.ValueRank].map((attributeId) => ({ nodeId: node, attributeId }));
    const [dataType, rank] = await this.#link.call((session) => session.read(attributes), signal);
    if (dataType === undefined || dataType.statusCode.isNotGood())
      throw rejected(`${place}: the server does not tell its data type (${dataType?.statusCode.name ?? 'no answer'})`);
    const dimensions = Number(rank?.value.value ?? -1);
    if (dimensions > 1) throw rejected(`${place}: the node takes a table, which cannot be written from a property`);
    const id = dataType.value.value as NodeId;
    const builtIn = await this.#link.call((session) => opcua.findBasicDataType(session, id), signal);
    // Number, Integer and their kin say nothing: what the node holds does.
    return { type: isConcrete(builtIn) ? builtIn : await this.#heldType(place, node, signal), isList: dimensions >= 0 };
  }

  async #heldType(place: string, node: NodeId, signal: AbortSignal): Promise<number> {
    const held = await this.#link.call(
      (session) => session.read({ nodeId: node, attributeId: this.#link.opcua.AttributeIds.Value }),
      signal,
    );
    const type: number = held.value.dataType;
    if (isConcrete(type)) return type;
    throw rejected(`${place}: the node takes any type and holds nothing yet: write it once with another client`);
  }
}

function isConcrete(type: number): boolean {
  return type >= BUILT_IN.Boolean && type <= BUILT_IN.LocalizedText;
}

function matches({ namespace, name }: BrowseStep, child: WalkedNode): boolean {
  return child.name === name && (namespace === undefined || namespace === child.namespace);
}

function ambiguous(place: string, found: readonly WalkedNode[]): HiveletError {
  const ids = found.slice(0, 5).map(({ node }) => node.toString());
  return rejected(`${place}: several nodes have this browse name: write nodeID with one of ${ids.join(', ')}`);
}

function rejected(message: string): HiveletError {
  return new HiveletError('POINT_REJECTED', message);
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= REMEMBERED_LIMIT) map.clear();
  map.set(key, value);
}
