/** Owns a stand-in for our own cloud: a fake hub that speaks our protocol, acknowledges, and answers `membership/detail`. */
import { randomUUID } from 'node:crypto';
import type { DeviceProfile, PropertyProfile } from '#device-models/device-profile.ts';
import type {
  DeviceEntry,
  DeviceExtension,
  MembershipDetail,
  MembershipDetailRequest,
  MsgTwin,
  TwinMessage,
} from '#wire/device-messages.ts';
import { headers } from '#wire/handshake.ts';
import { createMessage, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { startFakeHub, type FakeHub } from './fake-hub.ts';

export interface HiveletHub extends FakeHub {
  /** false: frames of the edge are not acknowledged (they are recorded all the same). */
  acking: boolean;
  /** Instead of the plain acknowledgement; undefined = none. */
  answer: (frame: BeehiveMessage) => BeehiveMessage | undefined;
  /** What `membership/detail` is answered with; undefined = no answer yet. */
  detail: (request: MembershipDetailRequest) => Partial<MembershipDetail> | undefined;
  /** Sends a message of the devicecontroller; resolves with the edge's answer. */
  tell(resource: string, content: unknown, fields?: { timestamp?: number; group?: string }): Promise<BeehiveMessage>;
  /** Twin messages of a device, oldest first. */
  reports(device: string): TwinMessage[];
  /** What is told of a property (`device/name`) that fits; the frames before `from` do not count. */
  report(property: string, fits: (twin: MsgTwin | null) => boolean, from?: number): Promise<MsgTwin | null>;
  details(): MembershipDetailRequest[];
}

export interface HiveletHubOptions {
  dataDir: string;
  node: string;
  port?: number;
  cluster?: string;
  features?: string;
}

export async function startHiveletHub({ cluster = 'cluster-1', features = 'uploads', ...options }: HiveletHubOptions): Promise<HiveletHub> {
  const greeting = { [headers.protocol]: '1', [headers.cluster]: cluster, [headers.features]: features };
  const fake = await startFakeHub({ ...options, greeting });
  const reported = ({ header, route }: BeehiveMessage, device: string): boolean =>
    header.parent_msg_id === undefined && route.resource === `device/${device}/twin/edge_updated`;
  const hub: HiveletHub = Object.assign(fake, {
    acking: true,
    answer: (frame: BeehiveMessage): BeehiveMessage | undefined => responseTo(frame, Date.now()),
    detail: (): Partial<MembershipDetail> | undefined => ({ devices: [] }),
    tell: async (resource: string, content: unknown, { timestamp = Date.now(), group = 'twin' } = {}): Promise<BeehiveMessage> => {
      const message = createMessage(timestamp, { source: 'devicecontroller', group, operation: 'update', resource, content });
      hub.send(message);
      return hub.frame(`the answer to ${resource}`, ({ header }) => header.parent_msg_id === message.header.msg_id);
    },
    reports: (device: string): TwinMessage[] =>
      hub.frames.filter((frame) => reported(frame, device)).map(({ content }) => content as TwinMessage),
    report: async (property: string, fits: (twin: MsgTwin | null) => boolean, from = 0): Promise<MsgTwin | null> => {
      const [device = '', twin = ''] = property.split('/');
      const of = ({ content }: BeehiveMessage): MsgTwin | null | undefined => (content as TwinMessage).twin[twin];
      const isIt = (frame: BeehiveMessage): boolean => {
        const found = reported(frame, device) ? of(frame) : undefined;
        return found !== undefined && fits(found);
      };
      return of(await hub.frame(`a report of ${device}/${twin}`, isIt, from)) ?? null;
    },
    details: (): MembershipDetailRequest[] =>
      hub.frames
        .filter(({ route }) => route.resource === 'membership/detail' && route.operation === 'get')
        .map(({ content }) => JSON.parse(content as string) as MembershipDetailRequest),
  });
  hub.onFrame = (frame, reply) => {
    if (frame.header.parent_msg_id !== undefined || !hub.acking) return;
    const answer = hub.answer(frame);
    if (answer !== undefined) reply(answer);
    if (frame.route.resource !== 'membership/detail' || frame.route.operation !== 'get') return;
    const detail = hub.detail(JSON.parse(frame.content as string) as MembershipDetailRequest);
    if (detail === undefined) return;
    const content: MembershipDetail = { event_id: randomUUID(), timestamp: Date.now(), devices: [], ...detail };
    content.hivelet = { cluster_uid: cluster, unchanged: [], removed: [], ...detail.hivelet };
    reply(
      createMessage(Date.now(), { source: 'devicecontroller', group: 'twin', operation: 'update', resource: 'membership/detail', content }),
    );
  };
  return hub;
}

/** A device as our cloud tells it, with no mapper of ours; `twins` are desired texts, undefined = nothing is desired. */
export function entry(
  id: string,
  twins: Record<string, string | undefined>,
  options: { version?: number; type?: 'float' | 'int' | 'string'; uid?: string; hash?: string; cluster?: string; tolerance?: number } = {},
): DeviceEntry & { hivelet: DeviceExtension } {
  const {
    version = 1,
    type = 'float',
    uid = `uid-${id}`,
    hash = `hash-${String(version)}`,
    cluster = 'cluster-1',
    tolerance = 0,
  } = options;
  const properties = Object.keys(twins).map((name): PropertyProfile => ({
    name,
    type,
    accessMode: 'ReadWrite',
    collectCycleMs: 1000,
    reportCycleMs: 0,
    tolerance,
  }));
  const profile: DeviceProfile = { uid, namespace: 'default', name: id, model: 'model', protocol: '', protocolConfig: {}, properties };
  return {
    id,
    name: id,
    twin: desired(twins, { version, type }),
    hivelet: { uid, namespace: 'default', cluster_uid: cluster, resource_version: version, hash, profile },
  };
}

export function desired(
  twins: Record<string, string | undefined>,
  { version = 1, type = 'float' }: { version?: number; type?: string } = {},
): Record<string, MsgTwin> {
  const form = (value: string | undefined): MsgTwin => ({
    ...(value === undefined ? {} : { expected: { value } }),
    optional: false,
    metadata: { type },
    expected_version: { cloud: version, edge: 0 },
  });
  return Object.fromEntries(Object.entries(twins).map(([name, value]) => [name, form(value)]));
}
