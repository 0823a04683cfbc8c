/** Owns the question who serves a device: the plugins of this node, or a mapper of somebody else over MQTT. */
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { sameProtocol } from '#device-models/protocol-block.ts';

export type Change = { kind: 'set'; profile: DeviceProfile } | { kind: 'removed'; name: string };

/** Devices of a node. */
export interface DeviceSource {
  list(): readonly DeviceProfile[];
  /** Returns what ends it. */
  onChange(listener: (change: Change) => void): () => void;
}

/** The devices for which `mine` is true. One that changes sides is removed here and set there. */
export function part(source: DeviceSource, mine: (profile: DeviceProfile) => boolean): DeviceSource {
  return {
    list: () => source.list().filter(mine),
    onChange: (listener) =>
      source.onChange((change) => {
        if (change.kind === 'set' && !mine(change.profile)) listener({ kind: 'removed', name: change.profile.name });
        else listener(change);
      }),
  };
}

/** Whether a device's protocol is one of the setting's: in any case, and by any of its names. */
export function isOneOf(protocols: readonly string[]): (profile: Pick<DeviceProfile, 'protocol'>) => boolean {
  return ({ protocol }) => protocol !== '' && protocols.some((each) => sameProtocol(each, protocol));
}
