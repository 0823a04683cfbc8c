/** Owns the table of what nodes may say, and the one check that a message touches only what belongs to the node that sent it. Pure. */
import { fieldsOf, listOf, textOf } from '#device-models/fields.ts';
import { contentObject, type BeehiveMessage } from '#wire/message.ts';
import {
  certificateOfNode,
  deviceResource,
  group,
  lastSeen,
  membershipDetail,
  nodeResource,
  nodeStatusResource,
  objectsHeld,
  operation,
  source,
} from '#wire/resources.ts';

/** Who takes the message. `keepalive` and `answer` stay with the link. */
export type Destination = 'keepalive' | 'answer' | 'upload' | 'device' | 'node' | 'object' | 'held' | 'certificate';

/** What a message may touch; each has a rule in `rules`. */
export type Touch =
  /** The connection that it came over. */
  | 'link'
  /** What the cloud keeps under the name of the sender, whatever the message says. */
  | 'own records'
  | 'own node'
  | 'bound device'
  | 'bound devices'
  | 'own pod'
  | 'own pods'
  | 'used object';

export interface Route {
  readonly name: string;
  readonly to: Destination;
  /** Absent: any but a module of the cloud. */
  readonly source?: string;
  readonly group?: string;
  readonly operations: readonly string[];
  /** `<x>` stands for one segment, `*` alone for anything. */
  readonly resource: string;
  readonly touches: Touch;
}

/** In the order of KubeEdge's dispatch (reference/beehive-message.md section 3). What fits none of them is refused. */
export const routes: readonly Route[] = [
  { name: 'keepalive', to: 'keepalive', operations: [operation.keepalive], resource: '*', touches: 'link' },
  { name: 'answer', to: 'answer', operations: [operation.response], resource: '*', touches: 'link' },
  { name: 'upload', to: 'upload', group: group.user, operations: [operation.upload], resource: '*', touches: 'own records' },
  ...reports(),
  {
    name: 'registration, status',
    to: 'node',
    operations: [operation.insert, operation.update],
    resource: nodeStatusResource('<namespace>', '<node>'),
    touches: 'own node',
  },
  {
    name: 'node',
    to: 'node',
    operations: [operation.insert, operation.update, operation.query],
    resource: nodeResource('<namespace>', '<node>'),
    touches: 'own node',
  },
  { name: 'pod status', to: 'node', operations: [operation.update], resource: '<namespace>/podstatus/<pod>', touches: 'own pod' },
  { name: 'pod statuses', to: 'node', operations: [operation.update], resource: '<namespace>/podstatus', touches: 'own pods' },
  { name: 'pod is over', to: 'object', operations: [operation.delete], resource: '<namespace>/pod/<pod>', touches: 'own pod' },
  { name: 'objects held', to: 'held', operations: [operation.update], resource: objectsHeld, touches: 'own records' },
  // The request names no node that counts: the certificate is for the node of the link.
  {
    name: 'next certificate',
    to: 'certificate',
    operations: [operation.query],
    resource: certificateOfNode,
    touches: 'own records',
  },
  ...queries(),
];

/** What the twin module of an edge says. */
function reports(): Route[] {
  const report = { to: 'device', source: source.twin, operations: [operation.update] } as const;
  return [
    { ...report, name: 'device list', operations: [operation.get], resource: membershipDetail, touches: 'own records' },
    { ...report, name: 'last seen', resource: lastSeen, touches: 'bound devices' },
    { ...report, name: 'twin report', resource: deviceResource.edgeUpdated('<device>'), touches: 'bound device' },
    { ...report, name: 'device state', resource: deviceResource.stateUpdate('<device>'), touches: 'bound device' },
  ];
}

/** Of the kinds that go down to nodes; `query` of a node is that of itself. */
function queries(): Route[] {
  return ['pod', 'configmap', 'secret', 'service', 'endpoints'].map((type) => ({
    name: `query of ${type}`,
    to: 'object',
    operations: [operation.query],
    resource: `<namespace>/${type}/<name>`,
    touches: 'used object',
  }));
}

/** What belongs to a node, as the controllers know it. */
export interface Ownership {
  /** The device of this id is bound to the node. */
  device(node: string, id: string): boolean;
  /** A pod of the node uses the object `<namespace>/<type>/<name>`. */
  object(node: string, key: string): boolean;
  /** The pod is known to be bound to another node. One that nobody knows is the sender's to be told of. */
  podElsewhere(node: string, pod: { namespace: string; name: string }): boolean;
}

export type Verdict =
  /** `message`: without what was not the sender's. `left` says how much that was. */
  | { to: Destination; route: Route; message: BeehiveMessage; left?: string }
  /** `kind` is one of few, for counting; `refused` is for the node. */
  | { refused: string; kind: string };

/** Names of modules that live in the cloud: no edge may speak as one of them. */
const cloudModules: ReadonlySet<string> = new Set([
  'cloudhub',
  'cloudStream',
  source.devicecontroller,
  source.edgecontroller,
  'synccontroller',
]);

/** The one place where a message of a node is held against what belongs to the node. */
export function judge(message: BeehiveMessage, node: string, owns: Ownership): Verdict {
  const { source: speaker, operation: verb, resource } = message.route;
  const found = routeOf(message);
  if (found === undefined) {
    if (cloudModules.has(speaker)) return { refused: `a node may not speak as ${speaker}`, kind: 'speaks as the cloud' };
    return { refused: `${verb} of ${resource.slice(0, 300)} is not served by this cloud`, kind: 'no route' };
  }
  const { route, names } = found;
  const outcome = rules[route.touches]({ message, node, owns, names });
  if ('refused' in outcome) return { ...outcome, kind: route.name };
  return { to: route.to, route, ...outcome };
}

/** The row that the message fits, and what stands where the row has `<x>`. */
export function routeOf({ route, header }: BeehiveMessage): { route: Route; names: ReadonlyMap<string, string> } | undefined {
  // A refusal of something that we sent settles it.
  const verb = route.operation === operation.error && header.parent_msg_id !== undefined ? operation.response : route.operation;
  for (const each of routes) {
    if (!each.operations.includes(verb) || (each.group ?? route.group) !== route.group) continue;
    if (each.source !== undefined ? each.source !== route.source : isClosedTo(each, route.source)) continue;
    const names = each.resource === '*' ? new Map<string, string>() : match(each.resource, route.resource);
    if (names !== undefined) return { route: each, names };
  }
  return undefined;
}

/** KubeEdge looks at the source after answers and uploads only. */
function isClosedTo({ resource }: Route, speaker: string): boolean {
  return resource !== '*' && (cloudModules.has(speaker) || speaker === source.twin);
}

/** What the API takes as a name; nothing that could be read as more than one segment. */
const SEGMENT = /^[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,252}$/;

function match(pattern: string, resource: string): Map<string, string> | undefined {
  const [wanted, segments] = [pattern.split('/'), resource.split('/')];
  if (wanted.length !== segments.length) return undefined;
  const names = new Map<string, string>();
  for (const [index, want] of wanted.entries()) {
    const segment = segments[index] ?? '';
    if (!want.startsWith('<')) {
      if (want !== segment) return undefined;
    } else if (SEGMENT.test(segment)) names.set(want.slice(1, -1), segment);
    else return undefined;
  }
  return names;
}

interface Case {
  message: BeehiveMessage;
  node: string;
  owns: Ownership;
  names: ReadonlyMap<string, string>;
}

type Outcome = { refused: string } | { message: BeehiveMessage; left?: string };

const rules: Readonly<Record<Touch, (what: Case) => Outcome>> = {
  link: ({ message }) => ({ message }),
  'own records': ({ message }) => ({ message }),
  'own node': ({ message, node, names }) =>
    names.get('node') === node ? { message } : { refused: `node ${node} may not speak for ${message.route.resource}` },
  'bound device': ({ message, node, owns, names }) => {
    const id = names.get('device') ?? '';
    return owns.device(node, id) ? { message } : { refused: `device ${id} is not bound to node ${node}` };
  },
  'bound devices': boundDevices,
  'own pod': ({ message, node, owns, names }) => {
    const pod = { namespace: names.get('namespace') ?? '', name: names.get('pod') ?? '' };
    return owns.podElsewhere(node, pod) ? { refused: elsewhere(pod, node) } : { message };
  },
  'own pods': ownPods,
  'used object': ({ message, node, owns, names }) => {
    if (owns.object(node, message.route.resource)) return { message };
    const [, type = ''] = message.route.resource.split('/');
    return { refused: `no pod of node ${node} uses ${type} ${names.get('namespace') ?? ''}/${names.get('name') ?? ''}` };
  },
};

/** Ages of other nodes' devices are left out: a device may have moved since they were noted. */
function boundDevices({ message, node, owns }: Case): Outcome {
  const content = contentObject(message.content);
  const ages = fieldsOf(content?.['ages']);
  if (ages === undefined) return { refused: 'the message names no ages' };
  const own = Object.entries(ages).filter(([id]) => owns.device(node, id));
  const narrowed = { ...message, content: { ...content, ages: Object.fromEntries(own) } };
  const left = Object.keys(ages).length - own.length;
  return left === 0 ? { message: narrowed } : { message: narrowed, left: `${String(left)} devices are not bound to node ${node}` };
}

/** What was judged is what is handed on: the content is read here once. */
function ownPods({ message, node, owns, names }: Case): Outcome {
  const { content } = message;
  const entries = typeof content === 'string' ? listIn(content) : content;
  if (!Array.isArray(entries)) return { refused: `${message.route.resource} does not say the status of pods: {UID, Name, Status}` };
  const namespace = names.get('namespace') ?? '';
  for (const entry of entries as unknown[]) {
    const { Name, name } = fieldsOf(entry) ?? {};
    const foreign = [Name, name].map(textOf).find((each) => each !== undefined && owns.podElsewhere(node, { namespace, name: each }));
    if (foreign !== undefined) return { refused: elsewhere({ namespace, name: foreign }, node) };
  }
  return { message: { ...message, content: entries } };
}

/** Content may be JSON text; in Go's manner also base64 of it. */
function listIn(text: string): readonly unknown[] | undefined {
  const read = (json: string): unknown => contentObject(`{"it":${json}}`)?.['it'];
  const list = listOf(read(text) ?? read(Buffer.from(text, 'base64').toString('utf8')));
  return list.length === 0 ? undefined : list;
}

function elsewhere({ namespace, name }: { namespace: string; name: string }, node: string): string {
  return `pod ${namespace}/${name} is not bound to node ${node}`;
}
