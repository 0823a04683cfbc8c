/** Owns a NodeObjects of tests with everything around it, on virtual time. */
import { silentLogger } from '#beehive/log.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import type { Look, Peer } from '#cloud/synccontroller/next-step.ts';
import { NodeObjects } from '#cloud/synccontroller/node-objects.ts';
import { acknowledged, type Acknowledged, type SyncRecord } from '#cloud/synccontroller/sync-record.ts';
import { AckWindow } from '#wire/ack-window.ts';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { FakeClock } from './fake-clock.ts';

export function mapObject(name: string, version: number, { uid = `uid-${name}`, value = String(version) } = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default', uid, resourceVersion: String(version) },
    data: { value },
  };
}

export const keyOf = (name: string, type = 'configmap'): string => `default/${type}/${name}`;

export function recordOf(object: KubeObject, recordedAt = 1): SyncRecord {
  return { ...acknowledged('pi', keyOf(object.metadata.name), object), recordedAt: String(recordedAt) };
}

export type NodeObjectsRig = ReturnType<typeof nodeObjectsRig>;

/** Node `pi`; `records` are there before it connects. */
export function nodeObjectsRig({ peer = 'hivelet', records: before = [] }: { peer?: Peer; records?: SyncRecord[] } = {}) {
  const clock = new FakeClock();
  const wanted = new Map<string, Look>();
  const truth = { isEdge: true, covers: true, confirmed: (_key: string): boolean => true, asked: [] as string[][] };
  const records = new Map<string, SyncRecord>(before.map((record) => [`${record.key} ${record.uid}`, record]));
  const writes: string[] = [];
  const sent: BeehiveMessage[] = [];
  const abort = new AbortController();
  const ackTimeoutMs = peer === 'kubeedge' ? 5000 : 10_000;
  const window = new AckWindow({ clock, ackTimeoutMs, send: (message) => void sent.push(message) });
  const put = (record: Acknowledged): void => {
    writes.push(`put ${record.key} ${record.version}`);
    records.set(`${record.key} ${record.uid}`, { ...record, recordedAt: '1' });
  };
  const connect = (): NodeObjects =>
    new NodeObjects({
      session: { node: 'pi', peer, signal: abort.signal, offer: (entry) => window.offer(entry) },
      source: {
        isEdge: () => truth.isEdge,
        keys: () => wanted.keys(),
        look: (_node, key) => (truth.isEdge ? (wanted.get(key) ?? { state: 'unwanted' }) : { state: 'unknown' }),
        covers: () => truth.covers,
        confirmUnwanted: async (_node, keys) => {
          truth.asked.push([...keys]);
          return new Set(keys.filter((key) => truth.confirmed(key)));
        },
      },
      records: {
        of: () => records,
        put,
        remove: (record) => {
          writes.push(`remove ${record.key} ${record.uid}`);
          records.delete(`${record.key} ${record.uid}`);
        },
        ensure: (record) => {
          if (!records.has(`${record.key} ${record.uid}`)) put(record);
        },
      },
      clock,
      log: silentLogger(),
    });
  /** Sets what the API has, without telling. */
  const has = (...objects: KubeObject[]): void => {
    for (const object of objects) wanted.set(keyOf(object.metadata.name), { state: 'wanted', object });
  };
  /** Frames since the last call as `operation name@version`; acknowledged unless told otherwise. */
  const frames = (answer: 'response' | 'error' | 'none' = 'response'): string[] => {
    const news: BeehiveMessage[] = [];
    while (sent.length > 0) {
      const batch = sent.splice(0);
      news.push(...batch);
      if (answer !== 'none') for (const message of batch) window.settle(responseTo(message, 0, { operation: answer }));
      if (answer === 'error') break;
    }
    return news.map(({ route, header }) => `${route.operation} ${route.resource.split('/')[2] ?? ''}@${header.resourceversion ?? ''}`);
  };
  return { clock, wanted, truth, records, writes, sent, window, abort, connect, has, frames };
}
