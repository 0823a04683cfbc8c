/** Owns who may publish and subscribe to what: default deny, wildcards judged by everything they could match. */
import { deviceTopic } from '#wire/topics.ts';
import type { Account } from './accounts.ts';
import { matches } from './topic.ts';

export interface Rights {
  mayPublish(topic: string): boolean;
  maySubscribe(filter: string): boolean;
  /** A message that waited: it was subscribed when other rules held. */
  mayRead(topic: string): boolean;
}

export const everything: Rights = { mayPublish: () => true, maySubscribe: () => true, mayRead: () => true };
export const nothing: Rights = { mayPublish: () => false, maySubscribe: () => false, mayRead: () => false };

/** What edgecore forwards to the cloud. */
const uploads = ['$hw/events/upload/#', 'SYS/dis/upload_records', '+/user/#'];

/** The rights of a client of `account`; the client id is its own invention, so in a pattern it is taken literally or not at all. */
export function rightsOf(account: Account, clientId: string): Rights {
  const own = account.kind === 'device' ? deviceRights(account.name) : { publish: [], subscribe: [] };
  const publish = [...own.publish, ...expand(account.publish, account.name, clientId)];
  const subscribe = [...own.subscribe, ...expand(account.subscribe, account.name, clientId)];
  return {
    mayPublish: (topic) => publish.some((pattern) => matches(pattern, topic)),
    maySubscribe: (filter) => subscribe.some((pattern) => covers(pattern, filter)),
    mayRead: (topic) => subscribe.some((pattern) => matches(pattern, topic)),
  };
}

/** Requests of its own; the answers are edgecore's alone to give. */
function deviceRights(id: string): { publish: string[]; subscribe: string[] } {
  const requests = [
    deviceTopic.stateUpdate(id),
    `$hw/events/device/${id}/state/get`,
    deviceTopic.twinUpdate(id),
    deviceTopic.twinGet(id),
    `$hw/events/device/${id}/twin/cloud_updated`,
  ];
  return { publish: [...requests, ...uploads], subscribe: [`$hw/events/device/${id}/#`] };
}

function expand(patterns: readonly string[], name: string, clientId: string): string[] {
  const literal = clientId !== '' && !/[+#/\0]/.test(clientId);
  return patterns
    .filter((pattern) => literal || !pattern.includes('%c'))
    .map((pattern) => pattern.replaceAll(/%[uc]/g, (found) => (found === '%u' ? name : clientId)));
}

/** True when every topic that `filter` could match is matched by `pattern` [MQTT-4.7]. */
export function covers(pattern: string, filter: string): boolean {
  const allowed = pattern.split('/');
  const asked = filter.split('/');
  const hidden = filter.startsWith('$');
  for (const [index, level] of allowed.entries()) {
    const wild = level === '#' || level === '+';
    if (wild && index === 0 && hidden) return false; // a leading wildcard never reaches $-topics
    if (level === '#') return true;
    const wanted = asked[index];
    if (wanted === undefined || wanted === '#') return false;
    if (level !== '+' && level !== wanted) return false;
  }
  return allowed.length === asked.length;
}
