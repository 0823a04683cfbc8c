/** Owns desired values on their way DOWN: the cloud_updated message of one device. */
import { randomUUID } from 'node:crypto';
import type { MsgTwin, TwinMessage } from '#wire/device-messages.ts';
import type { BeehiveMessage } from '#wire/message.ts';
import { deviceResource } from '#wire/resources.ts';
import { downMessage, twinsOf, type Dialect } from './definitions.ts';
import type { DeviceView } from './device-view.ts';

/**
 * All desired values of the device. `toldTwins` are the properties that the edge was told before: those that are gone are marked
 * `deleted` for KubeEdge (cloud-edge-transport.md 8.2); our edges learn of them by the definition.
 */
export function desiredMessage(view: DeviceView, toldTwins: readonly string[], dialect: Dialect): BeehiveMessage {
  const { peer, clusterUid, now } = dialect;
  const twins = twinsOf(view, dialect);
  const gone = peer === 'kubeedge' ? toldTwins.filter((name) => !Object.hasOwn(twins, name)) : [];
  const version = { cloud: view.resourceVersion, edge: 0 };
  const deleted = gone.map((name): [string, MsgTwin] => [
    name,
    {
      expected: { value: '', metadata: { timestamp: now } },
      optional: false,
      metadata: { type: 'deleted' },
      expected_version: version,
    },
  ]);
  const content: TwinMessage = {
    event_id: randomUUID(),
    timestamp: now,
    twin: Object.fromEntries([...Object.entries(twins), ...deleted]),
    ...(peer === 'kubeedge'
      ? {}
      : { hivelet: { uid: view.uid, cluster_uid: clusterUid, resource_version: view.resourceVersion, hash: view.hash } }),
  };
  return downMessage(now, deviceResource.cloudUpdated(view.name), content);
}
