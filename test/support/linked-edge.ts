/** Owns an edge in the test's process that is linked to a stand-in for our cloud, with an MQTT client beside it. */
import type { Clock } from '#beehive/clock.ts';
import type { MsgTwin } from '#wire/device-messages.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { deviceTopic } from '#wire/topics.ts';
import { ask, startTestEdge, watchMqtt, type MqttWatcher, type TestEdge } from './edge.ts';
import { desired, startHiveletHub, type entry, type HiveletHub, type HiveletHubOptions } from './hivelet-hub.ts';
import { tempDir } from './temp-dir.ts';

export interface LinkedEdge {
  readonly hub: HiveletHub;
  readonly edge: TestEdge;
  readonly mqtt: MqttWatcher;
  readonly dataDir: string;
  /** Ends the edge; the hub stays. */
  stop(): Promise<void>;
  update(device: string, twin: object): Promise<Record<string, unknown>>;
  /** Sets `temperature`. */
  report(device: string, value: string): Promise<Record<string, unknown>>;
  twins(device: string): Promise<Record<string, MsgTwin>>;
  /** Of `temperature`. */
  expected(device: string): Promise<string | undefined>;
  members(): Promise<string[]>;
  cloudUpdated(device: string, twins: Record<string, string | undefined>, version: number): Promise<BeehiveMessage>;
  /** What `health` says of a module. */
  detail(module: string): string;
}

export interface LinkedEdgeOptions extends Partial<HiveletHubOptions> {
  hub?: HiveletHub;
  sets?: readonly string[];
  seed?: string;
  clock?: Clock;
}

const open: (() => Promise<unknown>)[] = [];

/** For `test.after.each`: ends what was started, the newest first. */
export async function closeAll(): Promise<void> {
  for (const close of open.splice(0).reverse()) await close();
}

export function closeLater(close: () => Promise<unknown>): void {
  open.push(close);
}

/**
 * Linked to a hub that has these devices, already applied; with a function instead, each `membership/detail` is answered with what it
 * returns (undefined: not at all).
 */
export async function startLinkedEdge(
  detail: HiveletHub['detail'] | ReturnType<typeof entry>[],
  options: LinkedEdgeOptions = {},
): Promise<LinkedEdge> {
  const { dataDir = tempDir(), sets, seed, clock } = options;
  const hub = options.hub ?? (await startHiveletHub({ node: 'edge-node', ...options, dataDir }));
  if (options.hub === undefined) closeLater(() => hub.close());
  hub.detail = Array.isArray(detail) ? () => ({ devices: detail }) : detail;
  const from = hub.frames.length;
  const edge = await startTestEdge({
    dataDir,
    hub: hub.server,
    ...(sets === undefined ? {} : { sets }),
    ...(seed === undefined ? {} : { seed }),
    ...(clock === undefined ? {} : { clock }),
  });
  const mqtt = await watchMqtt(edge.port, ['$hw/#']);
  const isDetail = (asked: boolean) => (frame: BeehiveMessage) =>
    frame.route.resource === 'membership/detail' && (frame.header.parent_msg_id === undefined) === asked;
  await hub.frame('the membership/detail request', isDetail(true), from);
  if (Array.isArray(detail)) await hub.frame('the answer to the detail', isDetail(false), from);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await mqtt.close();
    await edge.edge.stop();
  };
  closeLater(stop);
  return { hub, edge, mqtt, dataDir, stop, ...helpers({ hub, mqtt, edge }) };
}

type Helpers = Omit<LinkedEdge, 'hub' | 'edge' | 'mqtt' | 'dataDir' | 'stop'>;

function helpers({ hub, mqtt, edge }: Pick<LinkedEdge, 'hub' | 'mqtt' | 'edge'>): Helpers {
  const update: LinkedEdge['update'] = (device, twin) => ask(mqtt, deviceTopic.twinUpdate(device), { twin });
  const twins: LinkedEdge['twins'] = async (device) =>
    (await ask(mqtt, deviceTopic.twinGet(device), {}))['twin'] as Record<string, MsgTwin>;
  return {
    update,
    report: (device, value) => update(device, { temperature: { actual: { value } } }),
    twins,
    expected: async (device) => (await twins(device))['temperature']?.expected?.value,
    members: async () => {
      const answer = await ask(mqtt, '$hw/events/node/edge-node/membership/get', {});
      return (answer['devices'] as { id: string }[]).map(({ id }) => id).sort();
    },
    cloudUpdated: (device, values, version) =>
      hub.tell(`device/${device}/twin/cloud_updated`, {
        event_id: `cloud-${String(version)}`,
        timestamp: 1,
        twin: desired(values, { version }),
        hivelet: {
          uid: `uid-${device}`,
          cluster_uid: 'cluster-1',
          resource_version: version,
          hash: `hash-${String(version)}`,
        },
      }),
    detail: (module) => edge.edge.health().modules[module]?.detail ?? '',
  };
}
