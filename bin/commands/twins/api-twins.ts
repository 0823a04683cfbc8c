/** Owns twins through the Kubernetes API: read, set with a tested patch, follow. */
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { nearestName } from '#device-models/nearest-name.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { sameValue } from '#device-models/values.ts';
import { Reflector } from '../../../cloud/store/kubeconfig/reflector.ts';
import {
  deviceModels,
  devices,
  isKubeError,
  keyOf,
  nodes,
  type KubeApi,
  type KubeObject,
  type ObjectName,
} from '../../../cloud/store/kube-api.ts';
import { checkChange, type Checked } from './check-value.ts';
import { planDesired } from './desired-patch.ts';
import { deviceLine, nodeLine, twinLines, writeFault } from './device-text.ts';
import { followUploads, type CloudUploads } from './cloud-uploads.ts';
import { changesBetween } from './seen.ts';
import type { Change, DeviceLine, DeviceTwins, NodeLine, Seen, SetOptions, SetOutcome, TwinSource, UploadSeen } from './source.ts';

/** A patch whose test fails met another writer: the Device is read again. */
const PATCH_ATTEMPTS = 5;

export interface ApiTwinsOptions {
  api: KubeApi & { close?(): void };
  where: string;
  /** Of names without `namespace/`. */
  namespace: string;
  /** Where uploads are followed. */
  uploads: CloudUploads;
  clock: Clock;
  log: Logger;
  /** Aborts everything that waits. */
  signal: AbortSignal;
}

interface Read {
  object: KubeObject;
  profile: DeviceProfile;
  modelKnown: boolean;
}

export class ApiTwins implements TwinSource {
  readonly where: string;
  readonly #options: ApiTwinsOptions;

  constructor(options: ApiTwinsOptions) {
    this.where = options.where;
    this.#options = options;
  }

  async devices(): Promise<DeviceLine[]> {
    const { api, signal } = this.#options;
    const list = await this.#ask(() => api.list(devices, { signal }));
    return list.items
      .map((object) => deviceLine(object, readProfile(object, undefined).profile))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async nodes(): Promise<NodeLine[]> {
    const { api, signal } = this.#options;
    const [list, bound] = await Promise.all([this.#ask(() => api.list(nodes, { signal })), this.devices()]);
    return list.items.map((node) => nodeLine(node, bound.filter((device) => device.node === node.metadata.name).length));
  }

  async twins(device: string): Promise<DeviceTwins> {
    const { object, profile } = await this.#read(this.#nameOf(device));
    return { device: deviceLine(object, profile), twins: twinLines(object, profile) };
  }

  async set(device: string, changes: readonly Change[], { waitMs }: SetOptions): Promise<SetOutcome[]> {
    const name = this.#nameOf(device);
    const { before, checked, object } = await this.#patch(name, changes);
    const started = this.#options.clock.monotonic();
    const plain = checked.map(({ property, value }): SetOutcome => {
      const old = before.profile.properties.find((each) => each.name === property)?.desired?.value;
      return { property, value, ...(old === undefined ? {} : { before: old }) };
    });
    if (waitMs === 0) return plain;
    const settled = await this.#waitForReport({ name, from: object, checked, waitMs, startedMs: started });
    return plain.map((outcome) => ({ ...outcome, ...(settled.get(outcome.property) ?? {}) }));
  }

  async watch(names: readonly string[], seen: (change: Seen) => void, signal: AbortSignal): Promise<void> {
    const { api, clock, log } = this.#options;
    const wanted = new Set(names.map((name) => keyOf(this.#nameOf(name))));
    for (const name of names) await this.twins(name);
    if (names.length === 0) await this.#ask(() => api.list(devices, { limit: 1, signal }));
    const show = (previous: KubeObject | undefined, current: KubeObject): void => {
      const view = (object: KubeObject): DeviceTwins => {
        const { profile } = readProfile(object, this.#modelIn(models.objects, object));
        return { device: deviceLine(object, profile), twins: twinLines(object, profile) };
      };
      if (wanted.size > 0 && !wanted.has(keyOf(current.metadata))) return;
      for (const change of changesBetween(previous === undefined ? undefined : view(previous), view(current))) seen(change);
    };
    const models = new Reflector({ api, type: deviceModels, clock, log });
    const followed = new Reflector({
      api,
      type: devices,
      clock,
      log,
      onUpsert: show,
      onDelete: ({ metadata }) => {
        if (wanted.size === 0 || wanted.has(keyOf(metadata))) seen({ kind: 'gone', device: metadata.name });
      },
    });
    try {
      models.start();
      await models.synced(signal);
      followed.start();
      await aborted(signal);
    } finally {
      await Promise.all([followed.stop(), models.stop()]);
    }
  }

  uploads(seen: (upload: UploadSeen) => void, signal: AbortSignal): Promise<void> {
    return followUploads(this.#options.uploads, seen, signal);
  }

  close(): Promise<void> {
    this.#options.api.close?.();
    return Promise.resolve();
  }

  async #patch(name: ObjectName, changes: readonly Change[]): Promise<{ before: Read; checked: Checked[]; object: KubeObject }> {
    const { api, signal } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const before = await this.#read(name);
      const checked = changes.map((change) =>
        before.modelKnown ? checkChange(before.profile, change) : unchecked(before.profile, change),
      );
      const operations = planDesired(before.object, checked);
      try {
        return { before, checked, object: await api.patch(devices, name, { type: 'json', operations, signal }) };
      } catch (error) {
        const moved = isKubeError(error, 'Conflict', 'Invalid');
        if (!moved || attempt === PATCH_ATTEMPTS) throw this.#failure(error);
      }
    }
  }

  /** What was reported per property until the time was over. */
  async #waitForReport(wait: {
    name: ObjectName;
    from: KubeObject;
    checked: readonly Checked[];
    waitMs: number;
    startedMs: number;
  }): Promise<Map<string, Partial<SetOutcome>>> {
    const { api, clock, signal } = this.#options;
    const settled = new Map<string, Partial<SetOutcome>>();
    const over = new AbortController();
    const timer = clock.timer(wait.waitMs, () => over.abort());
    let last = wait.from;
    const look = (object: KubeObject): boolean => {
      last = object;
      const lines = twinLines(object, readProfile(object, undefined).profile);
      for (const { property, value, type, tolerance } of wait.checked) {
        if (settled.has(property)) continue;
        const afterMs = clock.monotonic() - wait.startedMs;
        const reported = lines.find((line) => line.property === property)?.reported;
        const fault = writeFault(object, { property, value });
        if (reported !== undefined && sameValue(type, value, reported, tolerance)) settled.set(property, { reported, afterMs });
        else if (fault?.final === true) settled.set(property, { reason: fault.reason, afterMs });
      }
      return settled.size === wait.checked.length;
    };
    try {
      const both = AbortSignal.any([over.signal, signal]);
      const { namespace = 'default', name } = wait.name;
      const resourceVersion = wait.from.metadata.resourceVersion ?? '0';
      if (look(wait.from)) return settled;
      for await (const event of api.watch(devices, { namespace, resourceVersion, signal: both })) {
        if (event.type !== 'bookmark' && event.object.metadata.name === name && look(event.object)) return settled;
      }
    } catch (error) {
      if (!over.signal.aborted) throw this.#failure(error);
    } finally {
      timer.cancel();
    }
    const reason = reasonOf(deviceLine(last, readProfile(last, undefined).profile));
    for (const { property, value } of wait.checked)
      if (!settled.has(property)) settled.set(property, { reason: writeFault(last, { property, value })?.reason ?? reason });
    return settled;
  }

  async #read(name: ObjectName): Promise<Read> {
    const { api, signal } = this.#options;
    let object: KubeObject;
    try {
      object = await api.get(devices, name, { signal });
    } catch (error) {
      if (!isKubeError(error, 'NotFound')) throw this.#failure(error);
      const near = nearestName(
        name.name,
        (await this.devices()).filter(({ namespace }) => namespace === name.namespace).map((device) => device.name),
      );
      const remedy = near === undefined ? 'see `hivelet get devices`' : `did you mean ${near}?`;
      throw new HiveletError('NOT_FOUND', `there is no device ${name.name} in namespace ${name.namespace ?? ''}; ${remedy}`, {
        cause: error,
      });
    }
    const model = await this.#model(object);
    return { object, profile: readProfile(object, model).profile, modelKnown: model !== undefined };
  }

  async #model(device: KubeObject): Promise<KubeObject | undefined> {
    const { api, signal } = this.#options;
    const { profile } = readProfile(device, undefined);
    if (profile.model === '') return undefined;
    try {
      return await api.get(deviceModels, { namespace: profile.namespace, name: profile.model }, { signal });
    } catch (error) {
      if (isKubeError(error, 'NotFound')) return undefined;
      throw this.#failure(error);
    }
  }

  #modelIn(models: ReadonlyMap<string, KubeObject>, device: KubeObject): KubeObject | undefined {
    const { profile } = readProfile(device, undefined);
    return models.get(keyOf({ namespace: profile.namespace, name: profile.model }));
  }

  /** `thermostat` or `plant/boiler`. */
  #nameOf(device: string): { namespace: string; name: string } {
    const slash = device.indexOf('/');
    return slash < 0
      ? { namespace: this.#options.namespace, name: device }
      : { namespace: device.slice(0, slash), name: device.slice(slash + 1) };
  }

  async #ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(cause: unknown): unknown {
    if (cause instanceof HiveletError || this.#options.signal.aborted) return cause;
    return new HiveletError('KUBE_API', `${this.where}: ${messageOf(cause)}`, { cause });
  }
}

/** Without a model nothing can be checked; the value goes as it is. */
function unchecked(profile: DeviceProfile, change: Change): Checked {
  const known = profile.properties.find(({ name }) => name === change.property);
  return { ...change, type: known?.type ?? 'string', tolerance: 0 };
}

function reasonOf({ note, state, node }: DeviceLine): string {
  if (note !== '') return note;
  if (state !== '' && !/^(?:online|ok)$/i.test(state)) return `the device is ${state}`;
  return node === '' ? 'the device is bound to no node' : `node ${node} has not reported it yet`;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
