/** Owns the MQTT topics of edgecore: parsed and built by segment (reference/mqtt-topics.md section 2). */

export const subscriptions = {
  device: ['$hw/events/device/+/state/update', '$hw/events/device/+/twin/+'],
  node: ['$hw/events/node/+/membership/get'],
  upload: ['$hw/events/upload/#', 'SYS/dis/upload_records', '+/user/#'],
} as const;

export const deviceTopic = {
  updated: (id: string): string => `$hw/events/device/${id}/updated`,
  stateUpdate: (id: string): string => `$hw/events/device/${id}/state/update`,
  stateResult: (id: string): string => `$hw/events/device/${id}/state/update/result`,
  stateGetResult: (id: string): string => `$hw/events/device/${id}/state/get/result`,
  twinGet: (id: string): string => `$hw/events/device/${id}/twin/get`,
  twinGetResult: (id: string): string => `$hw/events/device/${id}/twin/get/result`,
  twinUpdate: (id: string): string => `$hw/events/device/${id}/twin/update`,
  twinResult: (id: string): string => `$hw/events/device/${id}/twin/update/result`,
  twinDocument: (id: string): string => `$hw/events/device/${id}/twin/update/document`,
  twinDelta: (id: string): string => `$hw/events/device/${id}/twin/update/delta`,
};
export const nodeTopic = {
  membershipGetResult: (node: string): string => `$hw/events/node/${node}/membership/get/result`,
  membershipUpdated: (node: string): string => `$hw/events/node/${node}/membership/updated`,
  /** Ours, on an external broker: retained while an edgecore is connected, taken away by its last will. */
  connected: (node: string): string => `$hw/events/connected/${node}`,
  authInfo: (node: string): string => `$hw/events/node/${node}/authInfo/get/result`,
};

export type EdgeTopic =
  | { kind: 'twin.update' | 'twin.get' | 'twin.cloud_updated' | 'state.update' | 'state.get'; device: string }
  | { kind: 'membership.get'; node: string }
  | { kind: 'upload' }
  /** In our name space but nothing that edgecore handles. */
  | { kind: 'ignored' }
  | { kind: 'other' };

const deviceActions: ReadonlyMap<string, 'twin.update' | 'twin.get' | 'twin.cloud_updated' | 'state.update' | 'state.get'> = new Map([
  ['twin/update', 'twin.update'],
  ['twin/get', 'twin.get'],
  ['twin/cloud_updated', 'twin.cloud_updated'],
  ['state/update', 'state.update'],
  ['state/get', 'state.get'],
] as const);

/** What a publish of an MQTT client means to edgecore. Identity is the fourth segment, whatever its text. */
export function parseTopic(topic: string): EdgeTopic {
  if (topic.startsWith('$hw/')) return parseHardware(topic);
  if (topic.startsWith('$')) return { kind: 'other' };
  if (topic === 'SYS/dis/upload_records') return { kind: 'upload' };
  const second = topic.indexOf('/') + 1;
  const rest = topic.slice(second);
  return second > 0 && (rest === 'user' || rest.startsWith('user/')) ? { kind: 'upload' } : { kind: 'other' };
}

function parseHardware(topic: string): EdgeTopic {
  const parts = topic.split('/');
  if (parts[1] !== 'events') return { kind: 'other' };
  const identity = parts[3] ?? '';
  if (parts[2] === 'upload') return { kind: 'upload' };
  if (parts[2] === 'connected') return { kind: 'ignored' };
  if (parts[2] === 'node') {
    return parts.length === 6 && identity !== '' && parts[4] === 'membership' && parts[5] === 'get'
      ? { kind: 'membership.get', node: identity }
      : { kind: 'ignored' };
  }
  if (parts[2] !== 'device') return { kind: 'other' };
  const kind = parts.length === 6 && identity !== '' ? deviceActions.get(`${parts[4] ?? ''}/${parts[5] ?? ''}`) : undefined;
  return kind === undefined ? { kind: 'ignored' } : { kind, device: identity };
}

/** MQTT filter match; a filter that starts with a wildcard never matches a `$`-topic [MQTT-4.7.2-1]. */
export function topicMatches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && /^[#+]/.test(filter)) return false;
  const levels = topic.split('/');
  const wanted = filter.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
