/** Owns a small OPC UA server to play with: a list of nodes, kept by whoever starts it, behind whatever security is wanted. */
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Debug from 'node-opcua-debug';
import type * as Whole from 'node-opcua';
import type { Namespace, OPCUACertificateManager, OPCUAServer, OPCUAServerOptions, UAObject, Variant } from 'node-opcua';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { partsOf, type BrowseStep } from './access.ts';
import { silence } from './engine.ts';
import type { SecurityModeName, SecurityPolicyName } from './link.ts';
import type { BUILT_IN } from './variant.ts';

type OpcuaWhole = (typeof Whole)['default'];

/** In the library's form: 64 bits as a pair of halves. */
export type ServedValue = number | boolean | string | Buffer | Date | [number, number] | readonly unknown[];

export interface ServedNode {
  /** With a namespace from 1; absent: made from the path. */
  readonly nodeId?: string;
  /** Browse names from the Objects folder down; folders in between are made. */
  readonly path: readonly BrowseStep[];
  readonly dataType: keyof typeof BUILT_IN;
  readonly isList?: boolean;
  readonly description?: string;
  readonly range?: { readonly low: number; readonly high: number };
  readonly unit?: string;
  /** The value, or a status such as BadSensorFailure. */
  readonly get: () => { readonly value: ServedValue } | { readonly status: string };
  /** Absent: it can only be read. Answers a status. */
  readonly set?: (value: unknown) => string;
}

export interface OpcuaServerOptions {
  readonly nodes: readonly ServedNode[];
  /** Where it keeps its certificate and whom it trusts; made when it is not there. */
  readonly pkiDirectory: string;
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port?: number;
  readonly name?: string;
  readonly policies?: readonly SecurityPolicyName[];
  readonly modes?: readonly SecurityModeName[];
  /** Names and passwords; with them nobody comes in without, unless `anonymous`. */
  readonly users?: ReadonlyMap<string, string>;
  readonly anonymous?: boolean;
  /** false: clients' certificates must be in its trust list. */
  readonly trustsAll?: boolean;
  readonly maxSubscriptions?: number;
  /** How much it does at once, by the names that it shows them under; default: as much as is asked. */
  readonly operationLimits?: Readonly<Partial<Record<'maxNodesPerRead' | 'maxNodesPerBrowse' | 'maxMonitoredItemsPerCall', number>>>;
  /** Of its certificate; default: this machine, from 2020 on, forty years. */
  readonly certificate?: {
    readonly hosts?: readonly string[];
    readonly ips?: readonly string[];
    readonly from?: Date;
    readonly days?: number;
  };
}

export interface RunningServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Sessions at present. */
  sessions(): number;
  /** Cuts all off and lets nobody in, until it is called with false. */
  silence(on: boolean): Promise<void>;
  close(): Promise<void>;
}

const PACKAGE = 'node-opcua';
const MISSING = `${PACKAGE} is not installed: run npm install --include=optional in the folder of Hivelet`;
const APPLICATION_URI = 'urn:hivelet:simulated';
const USUAL_NAME = 'Hivelet simulator';
/** Whatever the clock says: a board may not know the time. */
const USUAL_START = new Date('2020-01-01T00:00:00Z');
const USUAL_DAYS = 365 * 40;
const OWN_NAMESPACE = 1;
const HIGHEST_NAMESPACE = 100;
/** Of a shutdown: clients need no warning. */
const NOTICE_MS = 0;

/** Resolves when it listens. Throws PLUGIN_MISSING, PORT_IN_USE, PROFILE_INVALID for a node id that cannot be. */
export async function startOpcuaServer(options: OpcuaServerOptions): Promise<RunningServer> {
  const opcua = loadWhole();
  const { host = '127.0.0.1', port = 0 } = options;
  const certificates = managerOf(opcua, options.pkiDirectory, options.trustsAll ?? true);
  await certificates.initialize();
  const certificateFile = path.join(options.pkiDirectory, 'own', 'certs', 'server.pem');
  if (!(await exists(certificateFile))) await makeCertificate(certificates, certificateFile, options);
  const server = new opcua.OPCUAServer({
    ...settingsOf(opcua, options),
    host,
    port,
    hostname: host,
    serverCertificateManager: certificates,
    certificateFile,
    privateKeyFile: certificates.privateKey,
  });
  try {
    await server.initialize();
    new AddressSpaceBuilder(opcua, server).add(options.nodes);
    await server.start();
  } catch (cause) {
    await server.shutdown(NOTICE_MS).catch(() => undefined);
    throw startFailure(cause, `${host}:${port}`);
  }
  const listening = server.endpoints[0]?.port ?? port;
  return {
    url: `opc.tcp://${host}:${listening}`,
    host,
    port: listening,
    sessions: () => server.engine.currentSessionCount,
    silence: (on) => silenceServer(server, on),
    close: () => server.shutdown(NOTICE_MS),
  };
}

async function silenceServer(server: OPCUAServer, on: boolean): Promise<void> {
  if (!on) return server.resumeEndPoints();
  await server.suspendEndPoints();
  for (const endpoint of server.endpoints) endpoint.abruptlyInterruptChannels();
}

function settingsOf(opcua: OpcuaWhole, options: OpcuaServerOptions): OPCUAServerOptions {
  const { users = new Map<string, string>(), maxSubscriptions, operationLimits } = options;
  return {
    serverInfo: { applicationUri: APPLICATION_URI, applicationName: { text: options.name ?? USUAL_NAME }, productUri: 'urn:hivelet' },
    userCertificateManager: managerOf(opcua, path.join(options.pkiDirectory, 'users'), true),
    securityPolicies: (options.policies ?? ['None', 'Basic256Sha256']).map((name) => opcua.SecurityPolicy[name]),
    securityModes: (options.modes ?? ['None', 'Sign', 'SignAndEncrypt']).map((name) => opcua.MessageSecurityMode[name]),
    allowAnonymous: options.anonymous ?? users.size === 0,
    userManager: { isValidUser: (name: string, password: string) => users.has(name) && users.get(name) === password },
    serverCapabilities: {
      ...(maxSubscriptions === undefined ? {} : { maxSubscriptions, maxSubscriptionsPerSession: maxSubscriptions }),
      ...(operationLimits === undefined ? {} : { operationLimits }),
    },
    isAuditing: false,
  };
}

function managerOf(opcua: OpcuaWhole, rootFolder: string, trustsAll: boolean): OPCUACertificateManager {
  return new opcua.OPCUACertificateManager({ rootFolder, automaticallyAcceptUnknownCertificate: trustsAll, disableFileWatchers: true });
}

function makeCertificate(
  certificates: OPCUACertificateManager,
  outputFile: string,
  { name = USUAL_NAME, certificate = {} }: OpcuaServerOptions,
): Promise<void> {
  const { hosts = ['localhost'], ips = ['127.0.0.1'], from = USUAL_START, days = USUAL_DAYS } = certificate;
  return certificates.createSelfSignedCertificate({
    applicationUri: APPLICATION_URI,
    dns: [...hosts],
    ip: [...ips],
    outputFile,
    subject: `/CN=${name}`,
    startDate: from,
    validity: days,
  });
}

function startFailure(cause: unknown, address: string): Error {
  if (cause instanceof HiveletError) return cause;
  if (messageOf(cause).includes('EADDRINUSE'))
    return new HiveletError('PORT_IN_USE', `${address} is taken by another program: choose another --port`, { cause });
  return new HiveletError('INTERNAL', `the OPC UA server on ${address} does not start: ${messageOf(cause)}`, { cause });
}

function loadWhole(): OpcuaWhole {
  const ours = createRequire(import.meta.url);
  let file: string;
  try {
    file = ours.resolve(PACKAGE);
  } catch {
    throw new HiveletError('PLUGIN_MISSING', MISSING);
  }
  silence(createRequire(file)('node-opcua-debug') as (typeof Debug)['default']);
  return ours(PACKAGE) as OpcuaWhole;
}

async function exists(file: string): Promise<boolean> {
  const { access } = await import('node:fs/promises');
  return access(file).then(
    () => true,
    () => false,
  );
}

class AddressSpaceBuilder {
  readonly #opcua: OpcuaWhole;
  readonly #server: OPCUAServer;
  readonly #folders = new Map<string, UAObject>();
  readonly #namespaces = new Map<number, Namespace>();
  readonly #statuses: ReadonlyMap<string, Whole.StatusCode>;

  constructor(opcua: OpcuaWhole, server: OPCUAServer) {
    this.#statuses = new Map(Object.entries(opcua.StatusCodes));
    this.#opcua = opcua;
    this.#server = server;
  }

  add(nodes: readonly ServedNode[]): void {
    for (const node of nodes) this.#add(node);
  }

  #add(node: ServedNode): void {
    const { opcua, name, parent, namespace } = this.#placed(node);
    const isFixed = node.set === undefined;
    const access = isFixed ? 'CurrentRead' : 'CurrentRead | CurrentWrite';
    const described = {
      nodeId: node.nodeId === undefined ? undefined : opcua.coerceNodeId(partsOf(node.nodeId).identifier, namespace.index),
      browseName: { namespaceIndex: name.namespace ?? namespace.index, name: name.name },
      dataType: node.dataType,
      ...(node.isList === true ? { valueRank: 1 } : {}),
      ...(node.description === undefined ? {} : { description: node.description }),
      accessLevel: access,
      userAccessLevel: access,
      minimumSamplingInterval: 10,
      value: this.#binding(node),
    };
    const analog =
      node.range === undefined
        ? undefined
        : {
            engineeringUnitsRange: node.range,
            ...(node.unit === undefined ? {} : { engineeringUnits: opcua.makeEUInformation(node.unit, node.unit, node.unit) }),
          };
    if (analog === undefined) namespace.addVariable({ ...described, componentOf: parent });
    else namespace.addAnalogDataItem({ ...described, ...analog, componentOf: parent });
  }

  #placed(node: ServedNode): { opcua: OpcuaWhole; name: BrowseStep; parent: UAObject; namespace: Namespace } {
    const index = Number(/^ns=(\d+);/.exec(node.nodeId ?? '')?.[1] ?? node.path.at(-1)?.namespace ?? OWN_NAMESPACE);
    if (index < OWN_NAMESPACE)
      throw new HiveletError('PROFILE_INVALID', `${node.nodeId ?? ''}: is in namespace 0, which is the standard's: write ns=1 or higher`);
    const name = node.path.at(-1);
    if (name === undefined) throw new HiveletError('PROFILE_INVALID', 'a node has no name');
    return { opcua: this.#opcua, name, parent: this.#folder(node.path.slice(0, -1)), namespace: this.#namespace(index) };
  }

  #folder(steps: readonly BrowseStep[]): UAObject {
    const { addressSpace } = this.#server.engine;
    const last = steps.at(-1);
    const root = addressSpace?.rootFolder.objects;
    if (last === undefined && root !== undefined) return root;
    const key = JSON.stringify(steps);
    const known = this.#folders.get(key);
    if (known !== undefined || last === undefined) return known ?? failure();
    const parent = this.#folder(steps.slice(0, -1));
    const namespace = this.#namespace(last.namespace ?? OWN_NAMESPACE);
    const folder = namespace.addObject({ organizedBy: parent, browseName: last.name });
    this.#folders.set(key, folder);
    return folder;
  }

  /** Indexes count up: those before it are made as well. */
  #namespace(index: number): Namespace {
    const { addressSpace } = this.#server.engine;
    if (addressSpace === null || index > HIGHEST_NAMESPACE)
      throw new HiveletError('PROFILE_INVALID', `ns=${index}: such a high namespace is not played: write ns=${HIGHEST_NAMESPACE} or lower`);
    if (index === OWN_NAMESPACE) return addressSpace.getOwnNamespace();
    let made = this.#namespaces.get(index);
    while (made === undefined) {
      const next = addressSpace.getNamespaceArray().length;
      this.#namespaces.set(next, addressSpace.registerNamespace(`urn:hivelet:simulated:${next}`));
      made = this.#namespaces.get(index);
    }
    return made;
  }

  #binding(node: ServedNode): { get: () => Variant | Whole.StatusCode; set?: (variant: Variant) => Whole.StatusCode } {
    const { Variant, DataType, VariantArrayType } = this.#opcua;
    const get = (): Variant | Whole.StatusCode => {
      const held = node.get();
      if ('status' in held) return this.#status(held.status);
      return new Variant({
        dataType: DataType[node.dataType],
        arrayType: node.isList === true ? VariantArrayType.Array : VariantArrayType.Scalar,
        value: held.value,
      });
    };
    const { set } = node;
    return set === undefined ? { get } : { get, set: (variant) => this.#status(set(variant.value)) };
  }

  #status(name: string): Whole.StatusCode {
    return this.#statuses.get(name) ?? this.#opcua.StatusCodes.BadInternalError;
  }
}

function failure(): never {
  throw new HiveletError('INTERNAL', 'the server has no address space');
}
