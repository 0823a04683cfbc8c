/** Owns what a simulator of `hivelet simulate` is: how it is started, and what a person may do to it while it runs. */
import type { Logger } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import type { PlayedValues } from '#device-models/played-values.ts';
import type { FlagSpecs, Invocation } from '../command.ts';

export interface SimulatorKind {
  /** The word behind `hivelet simulate`. */
  readonly name: string;
  /** Behind `simulate `: one line. */
  readonly usage: string;
  readonly about: readonly string[];
  /** Beside those that all have. */
  readonly flags: FlagSpecs;
  /** Protocols of the Devices that it plays with --model, as in DeviceProfile. */
  readonly protocols: readonly string[];
  /** Resolves when a mapper can use it. */
  start(context: SimulatorContext): Promise<Simulated>;
}

export interface SimulatorContext extends Invocation {
  readonly log: Logger;
  /** Of the files of --model; empty: the device that comes with Hivelet is played. */
  readonly profiles: readonly DeviceProfile[];
}

export interface Simulated {
  /** Beside `simulator.ready`: where it is. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly devices: readonly SimulatedDevice[];
  /** Words that it obeys besides those for all, and what does: false when the words are not for it. */
  readonly words?: readonly string[];
  act?(words: readonly string[]): boolean;
  /** All devices stop answering until it is called with false. */
  silence(on: boolean): void | Promise<void>;
  close(): Promise<void>;
}

/** What `PlayedValues` can do; the other methods may be slower than that. All throw NOT_FOUND for a name that is not among `names`. */
export interface SimulatedDevice {
  readonly name: string;
  readonly names: readonly string[];
  get(property: string): unknown;
  /** A hand at the device: the value stays. Throws VALUE_INVALID. */
  put(property: string, text: string): void | Promise<void>;
  /** The property answers with an error until it is called with false. */
  refuse(property: string, on: boolean): void | Promise<void>;
}

/** A device whose values are all that it is. */
export function playedDevice(name: string, values: PlayedValues): SimulatedDevice {
  return {
    name,
    names: values.names,
    get: (property) => values.get(property),
    put: (property, text) => values.put(property, text),
    refuse: (property, on) => values.refuse(property, on),
  };
}
