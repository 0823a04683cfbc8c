/** Owns the discovery of what an OPC UA server has: its variables, with type, access, description, range and unit. */
import type { DataValue, NodeId } from 'node-opcua-client';
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import { numberOf } from '#device-models/fields.ts';
import type { ValueType } from '#device-models/values.ts';
import type { DiscoveryScope, FoundDevice, FoundProperty, PluginContext, Secrets } from '../contract.ts';
import { dial } from './dial.ts';
import { readOpcuaLink } from './link.ts';
import { Reads } from './reads.ts';
import { ServerLink } from './server-link.ts';
import { BUILT_IN, decodeVariant } from './variant.ts';
import { childrenOf, OBJECTS, walk, type PlacedNode } from './walk.ts';

export interface DiscoverDeps {
  readonly pkiDirectory: string;
  readonly secrets: Secrets;
  readonly context: PluginContext;
}

/** Keys of the scope that are about the walk; the others are those of a Device, and are written into it. */
const WALK_KEYS: readonly string[] = ['root', 'nodes', 'depth'];
const LINK_KEYS: readonly string[] = [
  'url',
  'userName',
  'password',
  'securityPolicy',
  'securityMode',
  'certificate',
  'privateKey',
  'timeout',
];
/** A Device has no fields of their own for these. */
const COMMON_KEYS: readonly string[] = ['remoteCertificate', 'userCertificate', 'userPrivateKey', 'anyHostName'];
const USUAL = { nodes: 2000, depth: 8 } as const;
const MOST = { nodes: 20_000, depth: 32 } as const;
const VARIABLES_AT_ONCE = 50;
/** Stands where the errors of a Device have the path of its protocol block. */
const SCOPE = 'scope';

const types: ReadonlyMap<number, ValueType> = new Map<number, ValueType>([
  [BUILT_IN.Boolean, 'boolean'],
  ...([BUILT_IN.SByte, BUILT_IN.Byte, BUILT_IN.Int16, BUILT_IN.UInt16, BUILT_IN.Int32, BUILT_IN.UInt32, BUILT_IN.Int64] as const).map(
    (type) => [type, 'int'] as const,
  ),
  // An int has 63 bits and a sign.
  [BUILT_IN.UInt64, 'string'],
  [BUILT_IN.Float, 'float'],
  [BUILT_IN.Double, 'double'],
  [BUILT_IN.ByteString, 'bytes'],
  ...(
    [BUILT_IN.String, BUILT_IN.DateTime, BUILT_IN.Guid, BUILT_IN.XmlElement, BUILT_IN.LocalizedText, BUILT_IN.QualifiedName] as const
  ).map((type) => [type, 'string'] as const),
]);

/** One server is one device. Throws USAGE for a scope that makes no sense, DEVICE_UNREACHABLE with the reason. */
export async function* discoverServer(
  where: DiscoveryScope,
  { pkiDirectory, secrets, context }: DiscoverDeps,
): AsyncGenerator<FoundDevice> {
  if (where['url'] === undefined)
    throw new HiveletError('USAGE', '--url is missing: write the endpoint of the server, for instance opc.tcp://192.0.2.4:4840');
  const unknown = Object.keys(where).find((key) => ![...WALK_KEYS, ...LINK_KEYS, ...COMMON_KEYS].some((known) => sameKey(known, key)));
  if (unknown !== undefined)
    throw new HiveletError('USAGE', `--${unknown} is nothing that an OPC UA server is looked for by: leave it out`);
  const nodes = countOf(where, 'nodes');
  const depth = countOf(where, 'depth');
  const { clock, log, signal } = context;
  const { link, dialled } = await flagged(async () => {
    const read = readOpcuaLink({ ...where }, SCOPE);
    return { link: read, dialled: await dial({ link: read, pkiDirectory, secrets, context }) };
  });
  const server = new ServerLink({ dialled, url: link.url, timeoutMs: link.timeoutMs, clock, log });
  try {
    const finder = new Finder(server, signal);
    const { properties, remarks } = await finder.properties({ root: where['root'] ?? OBJECTS, nodes, depth });
    yield { name: dialled.serverName || link.host, ...writtenLink(where), properties, remarks };
  } finally {
    await server.close();
  }
}

/** Says the flag where a Device has a field. */
async function flagged<T>(open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!isHiveletError(error, 'PROFILE_INVALID') || !error.message.startsWith(`${SCOPE}.`)) throw error;
    const [field = '', ...fault] = error.message.slice(SCOPE.length + 1).split(':');
    const flag = field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new HiveletError('USAGE', `--${flag}:${fault.join(':')}`, { cause: error });
  }
}

/** Where a Device of v1alpha2 has them. */
function writtenLink(where: DiscoveryScope): Pick<FoundDevice, 'protocol' | 'common'> {
  const part = (keys: readonly string[]): [string, string][] =>
    Object.entries(where).flatMap(([key, value]) => {
      const known = keys.find((each) => sameKey(each, key));
      return known === undefined ? [] : [[known, value]];
    });
  const customizedValues = Object.fromEntries(part(COMMON_KEYS));
  return {
    protocol: Object.fromEntries(part(LINK_KEYS)),
    ...(Object.keys(customizedValues).length === 0 ? {} : { common: { customizedValues } }),
  };
}

/** The command line writes `user-name`, a Device `userName`. */
function sameKey(left: string, right: string): boolean {
  const folded = (key: string): string => key.replace(/[_-]/g, '').toLowerCase();
  return folded(left) === folded(right);
}

function countOf(where: DiscoveryScope, key: 'nodes' | 'depth'): number {
  const written = where[key];
  const count = written === undefined ? USUAL[key] : numberOf(written);
  if (count === undefined || !Number.isInteger(count) || count < 1 || count > MOST[key])
    throw new HiveletError('USAGE', `--${key} ${written ?? ''}: write a whole number from 1 to ${MOST[key]}`);
  return count;
}

class Finder {
  readonly #link: ServerLink;
  readonly #reads: Reads;
  readonly #signal: AbortSignal;
  readonly #names = new Set<string>();

  constructor(link: ServerLink, signal: AbortSignal) {
    this.#link = link;
    this.#reads = new Reads(link);
    this.#signal = signal;
  }

  async properties({ root, nodes, depth }: { root: string; nodes: number; depth: number }): Promise<{
    properties: FoundProperty[];
    remarks: string[];
  }> {
    const remarks: string[] = [];
    const properties: FoundProperty[] = [];
    const bounds = {
      start: await this.#start(root),
      mostNodes: nodes,
      deepest: depth,
      signal: this.#signal,
      onBound: () =>
        void remarks.push(`there are more than ${nodes} nodes or ${depth} levels: name a deeper --root, or more with --nodes and --depth`),
    };
    let variables: PlacedNode[] = [];
    let left = 0;
    const flush = async (): Promise<void> => {
      for (const found of await this.#described(variables)) {
        if (found === undefined) left++;
        else properties.push(found);
      }
      variables = [];
    };
    for await (const node of walk(this.#link, bounds)) {
      // Below a variable are its properties: its range, its unit.
      if (node.kind === 'variable' && !node.isProperty) variables.push(node);
      if (variables.length >= VARIABLES_AT_ONCE) await flush();
    }
    await flush();
    if (left > 0) remarks.push(`${left} variables are left out: structures, or not to be read by this user`);
    return { properties, remarks };
  }

  /** Throws USAGE for what is no id of a node, POINT_REJECTED for a node that the server does not have. */
  async #start(root: string): Promise<NodeId> {
    const { AttributeIds } = this.#link.opcua;
    let node: NodeId;
    try {
      node = this.#link.opcua.coerceNodeId(root);
    } catch (cause) {
      throw new HiveletError('USAGE', `--root ${root} is no id of a node: write one such as ns=2;s=Press or ns=2;i=1001`, { cause });
    }
    const [answer] = await this.#link.call(
      (session) => session.read([{ nodeId: node, attributeId: AttributeIds.NodeClass }], 0),
      this.#signal,
    );
    if (answer?.statusCode.isBad() === true)
      throw new HiveletError('POINT_REJECTED', `${this.#link.url}: there is no node ${root}: name another --root, or leave it out`);
    return node;
  }

  async #described(variables: readonly PlacedNode[]): Promise<(FoundProperty | undefined)[]> {
    if (variables.length === 0) return [];
    const { AttributeIds } = this.#link.opcua;
    const attributes = [
      AttributeIds.Value,
      AttributeIds.ValueRank,
      AttributeIds.UserAccessLevel,
      AttributeIds.Description,
      AttributeIds.DataType,
    ];
    const asked = variables.flatMap(({ node }) => attributes.map((attributeId) => ({ nodeId: node, attributeId })));
    const answers = await this.#reads.values(asked, this.#signal);
    const ranges = await this.#ranges(variables);
    return variables.map((variable, index) => {
      const [value, rank, access, description] = answers.slice(index * attributes.length, (index + 1) * attributes.length);
      return this.#property(variable, { value, rank, access, description, ...ranges[index] });
    });
  }

  #property(variable: PlacedNode, seen: Seen): FoundProperty | undefined {
    const { value } = seen;
    const flags = Number(seen.access?.value.value ?? 0);
    if (value?.statusCode.isBad() !== false || (flags & 1) === 0) return undefined;
    const dimensions = Number(seen.rank?.value.value ?? -1);
    // A list is JSON in a text, where it is not too long for that.
    const listType = 'value' in decodeVariant(value.value, 'string') ? 'string' : undefined;
    const type = dimensions < 0 ? types.get(value.value.dataType) : listType;
    if (type === undefined) return undefined;
    const description = textOf(seen.description) || (variable.displayName === variable.name ? '' : variable.displayName);
    return {
      name: this.#nameOf(variable.path),
      type,
      accessMode: (flags & 2) === 0 || dimensions > 1 ? 'ReadOnly' : 'ReadWrite',
      ...(description === '' ? {} : { description }),
      ...(seen.low === undefined || seen.high === undefined || seen.low >= seen.high
        ? {}
        : { minimum: String(seen.low), maximum: String(seen.high) }),
      ...(seen.unit === undefined ? {} : { unit: seen.unit }),
      visitor: { nodeID: variable.node.toString() },
    };
  }

  /** EURange and EngineeringUnits, where there are such nodes below a variable. */
  async #ranges(variables: readonly PlacedNode[]): Promise<{ low?: number; high?: number; unit?: string }[]> {
    const { AttributeIds } = this.#link.opcua;
    const below = await childrenOf(
      this.#link,
      variables.map(({ node }) => node),
      this.#signal,
    );
    const wanted = below.flatMap((children, index) =>
      children.filter(({ name }) => name === 'EURange' || name === 'EngineeringUnits').map(({ node, name }) => ({ index, node, name })),
    );
    const found: { low?: number; high?: number; unit?: string }[] = variables.map(() => ({}));
    if (wanted.length === 0) return found;
    const asked = wanted.map(({ node }) => ({ nodeId: node, attributeId: AttributeIds.Value }));
    const answers = await this.#reads.values(asked, this.#signal);
    for (const [place, { index, name }] of wanted.entries()) {
      const held: unknown = answers[place]?.value.value;
      const into = found[index];
      if (typeof held !== 'object' || held === null || into === undefined) continue;
      if (name === 'EURange') Object.assign(into, numbersOf(held));
      else if ('displayName' in held) into.unit = textIn(held.displayName);
    }
    return found;
  }

  /** `line-1-temperature`; the nearest names that make it unique. */
  #nameOf(path: readonly string[]): string {
    for (let count = 1; count <= path.length; count++) {
      const name = fit(path.slice(-count).join('-'));
      if (name === '' || this.#names.has(name)) continue;
      this.#names.add(name);
      return name;
    }
    const base = fit(path.join('-')) || 'variable';
    for (let number = 2; ; number++) {
      const name = `${base}-${number}`;
      if (this.#names.has(name)) continue;
      this.#names.add(name);
      return name;
    }
  }
}

interface Seen {
  value: DataValue | undefined;
  rank: DataValue | undefined;
  access: DataValue | undefined;
  description: DataValue | undefined;
  low?: number;
  high?: number;
  unit?: string;
}

function fit(text: string): string {
  return text
    .replace(/[^A-Za-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);
}

function textOf(value: DataValue | undefined): string {
  const decoded = value === undefined || value.statusCode.isBad() ? undefined : decodeVariant(value.value, 'string');
  return decoded !== undefined && 'value' in decoded && typeof decoded.value === 'string' ? decoded.value : '';
}

function textIn(held: unknown): string {
  const text = typeof held === 'object' && held !== null && 'text' in held ? held.text : undefined;
  return typeof text === 'string' ? text : '';
}

function numbersOf(held: object): { low?: number; high?: number } {
  const { low, high } = held as { low?: unknown; high?: unknown };
  return typeof low === 'number' && typeof high === 'number' ? { low, high } : {};
}
