/** Owns the module that tells mappers of others which devices are theirs: deviceProfile.json, kept up to date, and a word to those that listen. */
import type { Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { profileJson, type ProfileLayout } from '#device-models/profile-json.ts';
import type { PubSub } from '../contract.ts';
import { DesiredValues } from './desired-values.ts';
import { membershipWords } from './membership-words.ts';
import { deviceIdsIn, readProfileFile, writeProfileFile } from './profile-file.ts';
import type { DeviceSource } from './served-by.ts';

export interface ThirdPartyOptions {
  /** Those that mappers of others serve. */
  devices: DeviceSource;
  mqtt: PubSub;
  file: string;
  layout: ProfileLayout;
  /** Who may read the file. */
  readers: 'all' | 'group';
  /** Tells mappers, on every broker, what has come and gone; absent: nobody is told. */
  announce: ((topic: string, payload: string) => void) | undefined;
}

/** Changes that come together are written together. */
const SETTLE_MS = 200;
/** A card is not written more often. */
const PAUSE_MS = 2000;
/** A folder that could not be written may be there later. */
const RETRY_MS = 60_000;

export class ThirdPartyMappers implements Module {
  readonly name = 'third-party-mappers';
  readonly #options: ThirdPartyOptions;
  readonly #devices = new Map<string, DeviceProfile>();
  #desired: DesiredValues | undefined;
  #context: Context | undefined;
  #unwatch: (() => void) | undefined;
  #timer: Timer | undefined;
  #dueAt = Infinity;
  #writtenAt = -Infinity;
  #work: Promise<void> = Promise.resolve();
  /** What the mappers were told last: device -> its entry without what the twin tells them anyway. */
  #told: ReadonlyMap<string, string> | undefined;
  #text: string | undefined;
  #fault: string | undefined;

  constructor(options: ThirdPartyOptions) {
    this.#options = options;
  }

  /** Resolves at once: the file is written in the background. */
  async start(context: Context): Promise<void> {
    const { devices, mqtt } = this.#options;
    this.#context = context;
    this.#desired = new DesiredValues({ mqtt, now: () => context.clock.now(), changed: () => this.#due(SETTLE_MS) });
    this.#unwatch = devices.onChange((change) => {
      if (change.kind === 'set') this.#set(change.profile);
      else this.#remove(change.name);
    });
    for (const profile of devices.list()) this.#set(profile);
    this.#due(SETTLE_MS);
  }

  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = undefined;
    this.#timer?.cancel();
    this.#context = undefined;
    this.#desired?.stop();
    await this.#work;
  }

  /** A file that cannot be written is told here, and is no reason to restart the edge. */
  health(): Health {
    const { file } = this.#options;
    return { ok: true, detail: this.#fault ?? `${file}: ${this.#devices.size} devices` };
  }

  #set(profile: DeviceProfile): void {
    this.#devices.set(profile.name, profile);
    this.#desired?.follow(profile);
    this.#due(SETTLE_MS);
  }

  #remove(name: string): void {
    if (!this.#devices.delete(name)) return;
    this.#desired?.forget(name);
    this.#due(SETTLE_MS);
  }

  /** The earliest wish counts, but not before the pause since the last write is over. */
  #due(ms: number): void {
    const context = this.#context;
    if (context === undefined) return;
    const { clock } = context;
    const at = Math.max(clock.monotonic() + ms, this.#writtenAt + PAUSE_MS);
    if (at >= this.#dueAt) return;
    this.#dueAt = at;
    this.#timer?.cancel();
    this.#timer = clock.timer(at - clock.monotonic(), () => {
      this.#dueAt = Infinity;
      this.#work = this.#work.then(() => this.#write(context));
    });
  }

  async #write(context: Context): Promise<void> {
    const { file, layout, readers } = this.#options;
    const profiles = [...this.#devices.values()];
    const desired = this.#desired;
    const text = profileJson(profiles, { layout, desired: (device, property) => desired?.of(device, property) ?? '' });
    try {
      // What is there already was written by an earlier life of ours, or of a KubeEdge.
      const before = this.#text ?? (await readProfileFile(file));
      if (before !== text) {
        await writeProfileFile(file, { text, mode: readers === 'all' ? 0o644 : 0o640 });
        this.#writtenAt = context.clock.monotonic();
        context.log.info('mapper.profile.written', { file, devices: profiles.length });
      }
      this.#text = text;
      this.#fault = undefined;
      this.#announce(profiles, before);
    } catch (error) {
      const fault = `${file} cannot be written: ${messageOf(error)}; choose another modules.mapperHost.thirdParty.profileFile, or let edgecore write there`;
      if (this.#fault !== fault) context.log.error('mapper.profile.unwritable', { file, reason: fault });
      this.#fault = fault;
      this.#due(RETRY_MS);
    }
  }

  #announce(profiles: readonly DeviceProfile[], before: string | undefined): void {
    const told = new Map(profiles.map((profile) => [profile.name, entryOf(profile)]));
    // The first time nothing more is known than the names in the file of before.
    const earlier = this.#told ?? new Map(deviceIdsIn(before).map((id) => [id, told.get(id) ?? '']));
    this.#told = told;
    for (const { topic, payload } of membershipWords(earlier, told)) this.#options.announce?.(topic, payload);
  }
}

/** A new desired value is told by the twin. */
function entryOf(profile: DeviceProfile): string {
  return JSON.stringify({ ...profile, properties: profile.properties.map((property) => ({ ...property, desired: undefined })) });
}
