/** Owns what a case of the contract test is. */
import type { DeviceUnderTest } from './harness.ts';
import type { Rig } from './rig.ts';

export interface Case {
  readonly title: string;
  /** False: the device cannot do what the case is about, and the case passes as it is. */
  readonly needs?: (device: DeviceUnderTest) => boolean;
  run(rig: Rig<unknown, unknown>): Promise<void>;
}
