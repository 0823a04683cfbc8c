/** Owns a NodeSync of tests with everything around it. */
import { silentLogger } from '#beehive/log.ts';
import { DeviceBook } from '#cloud/devicecontroller/device-book.ts';
import type { DeviceView } from '#cloud/devicecontroller/device-view.ts';
import { NodeSync } from '#cloud/devicecontroller/node-sync.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { AckWindow } from '#wire/ack-window.ts';
import type { DeviceEntry, MsgTwin, TwinExtension } from '#wire/device-messages.ts';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { thermostatModel } from './device-objects.ts';
import { FakeClock } from './fake-clock.ts';

/** Everything that the messages of this side hold; a message has some of it. */
export interface Content {
  devices: DeviceEntry[];
  added_devices: DeviceEntry[] | null;
  removed_devices: DeviceEntry[] | null;
  twin: Record<string, MsgTwin>;
  hivelet: TwinExtension & { unchanged: string[]; removed: string[] };
}

export type NodeSyncRig = ReturnType<typeof nodeSyncRig>;

/** Joins a NodeSync to a book and a window on virtual time; node `pi`, cluster `cluster-1`. */
export function nodeSyncRig(peer: 'hivelet' | 'kubeedge' = 'hivelet', withModel = true) {
  const clock = new FakeClock();
  const models = new Map<string, KubeObject>(withModel ? [['default/therm', thermostatModel()]] : []);
  const book = new DeviceBook({ model: (key) => models.get(key), bindingChanged: (node, name) => node === 'pi' && sync.changed(name) });
  const sent: BeehiveMessage[] = [];
  const window = new AckWindow({ clock, send: (message) => void sent.push(message) });
  const abort = new AbortController();
  const observed: string[] = [];
  const sync: NodeSync = new NodeSync({
    session: { node: 'pi', peer, signal: abort.signal, offer: (entry) => window.offer(entry) },
    book,
    clusterUid: 'cluster-1',
    clock,
    log: silentLogger(),
    observed: (view: DeviceView) => observed.push(`${view.name} ${view.resourceVersion}`),
  });
  /** Frames since the last call, acknowledged unless told otherwise. */
  const frames = (answer: 'response' | 'error' | 'none' = 'response'): { resource: string; content: Content }[] => {
    const news: BeehiveMessage[] = [];
    while (sent.length > 0) {
      const batch = sent.splice(0);
      news.push(...batch);
      if (answer !== 'none' && peer === 'hivelet') {
        for (const message of batch) window.settle(responseTo(message, 0, { operation: answer }));
      }
    }
    return news.map(({ route, content }) => ({ resource: route.resource, content: content as Content }));
  };
  const live = (known: Record<string, string> = {}) => {
    sync.answerDetail(new Map(Object.entries(known)));
    return frames();
  };
  return { clock, models, book, sync, window, sent, frames, live, observed, abort };
}
