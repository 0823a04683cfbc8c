/** Owns where a message of a node goes (reference/beehive-message.md section 3, in its order). Pure. */
import type { BeehiveMessage } from '#wire/message.ts';
import { group, operation, source } from '#wire/resources.ts';

export type Destination =
  /** Refreshes the timer of a KubeEdge peer. */
  | 'keepalive'
  /** Settles what we sent. */
  | 'answer'
  | 'uploads'
  | 'devicecontroller'
  | 'edgecontroller'
  /** It claims to come from inside the cloud. */
  | 'forged';

/** Names of modules that live in the cloud: no edge may speak as one of them. */
const cloudModules: ReadonlySet<string> = new Set([
  'cloudhub',
  'cloudStream',
  source.devicecontroller,
  source.edgecontroller,
  'synccontroller',
]);

export function destinationOf({ route, header }: BeehiveMessage): Destination {
  if (route.operation === operation.keepalive) return 'keepalive';
  if (route.operation === operation.response) return 'answer';
  if (route.operation === operation.error && header.parent_msg_id !== undefined) return 'answer';
  if (route.operation === operation.upload && route.group === group.user) return 'uploads';
  if (cloudModules.has(route.source)) return 'forged';
  return route.source === source.twin ? 'devicecontroller' : 'edgecontroller';
}
