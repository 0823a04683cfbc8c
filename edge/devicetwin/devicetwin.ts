/** Owns the devicetwin module: wires MQTT requests and cloud messages to the handlers, one transaction queue, answers after commit. */
import type { Bus } from '#beehive/bus.ts';
import type { Committer } from '#beehive/commit.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { Timer } from '#beehive/clock.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { contentObject, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { group, membership, membershipDetail, operation, parseDeviceResource, source } from '#wire/resources.ts';
import { deviceTopic } from '#wire/topics.ts';
import type { MetaTable } from '../store/meta-table.ts';
import type { TwinTable } from '../store/twin-table.ts';
import { handleCloudUpdated, handleLocalCloudUpdated } from './desired.ts';
import { DeviceRegistry } from './device-registry.ts';
import { enqueueJob, storeKept, type TwinJob } from './jobs.ts';
import { detailRequest, handleMembership, handleMembershipDetail, handleMembershipGet } from './membership.ts';
import { dropDevices, seedDevice, type LocalEntry } from './local.ts';
import { handleAttributes } from './attributes.ts';
import { readTwinUpdate } from './payloads.ts';
import { errorResult, type Publication } from './publications.ts';
import { handleTwinGet, handleTwinUpdate } from './reported.ts';
import { emptyOutcome, mergeOutcomes, type DefinitionChange, type Outcome, type TwinRoom } from './room.ts';
import { handleStateGet, handleStateUpdate, retainedState } from './state.ts';
import { UpstreamOutbox, type CloudPort } from './upstream.ts';

export interface Publisher {
  publish(publication: Publication): void;
  wanted(topic: string): boolean;
}

export interface DeviceTwinOptions {
  node: string;
  bus: Bus<BeehiveMessage>;
  committer: Committer;
  twins: TwinTable;
  meta: MetaTable;
  cloud: CloudPort;
  publisher: Publisher;
  strictValues: boolean;
  acceptCloudUpdated: boolean;
  /** See `EdgeDatabase.versionBase`. */
  versionBase: number;
}

export type TwinRequest = 'twin.update' | 'twin.get' | 'twin.cloud_updated' | 'state.update' | 'state.get' | 'membership.get';

/** Stamps of equal reports reach the disk after this long at the latest. */
const STAMP_MS = 60_000;
/** Reports of our own mapper host reach the disk after this long at the latest. */
const LATER_MS = 15_000;
/** Their answers wait for that; hardly anybody listens for them. */
const HELD_ANSWERS = 1000;
export const MODULE = 'twin';

export class DeviceTwin implements Module {
  readonly name = MODULE;
  readonly #options: DeviceTwinOptions;
  readonly #listeners = new Set<(change: DefinitionChange) => void>();
  #room: TwinRoom | undefined;
  #outbox: UpstreamOutbox | undefined;
  #timers: Timer[] = [];
  #loop: Promise<void> = Promise.resolve();
  #held: Publication[] = [];

  constructor(options: DeviceTwinOptions) {
    this.#options = options;
  }

  start(context: Context): Promise<void> {
    const { bus, twins, meta, node, cloud, publisher } = this.#options;
    const registry = new DeviceRegistry(twins, meta);
    const room: TwinRoom = {
      node,
      clock: context.clock,
      log: context.log,
      registry,
      table: twins,
      meta,
      rules: { strict: this.#options.strictValues },
      acceptCloudUpdated: this.#options.acceptCloudUpdated,
      wanted: (topic) => publisher.wanted(topic),
      versionBase: this.#options.versionBase,
      later: false,
    };
    this.#room = room;
    this.#outbox = new UpstreamOutbox({
      registry,
      cloud,
      now: () => context.clock.now(),
      monotonic: () => context.clock.monotonic(),
      dropped: (device, reason) => context.log.warn('twin.report.refused', { device, reason }),
    });
    bus.addModule(MODULE);
    bus.addModuleToGroup(MODULE, group.twin);
    for (const device of registry.members()) if (device.row.state !== null) publisher.publish(retainedState(device, context.clock.now()));
    this.#every(context, STAMP_MS, () => this.#storeKept(true));
    this.#every(context, LATER_MS, () => this.#storeKept(false));
    this.#loop = bus.consume(MODULE, (message) => this.#receive(message, context), context.signal);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    this.#options.bus.cleanup(MODULE);
    await this.#loop;
    this.#storeKept(true);
    this.#options.committer.flush();
    this.#room = undefined;
    this.#outbox = undefined;
  }

  health(): Health {
    const devices = this.#room?.registry.members().length ?? 0;
    return { ok: true, detail: `${String(devices)} devices, ${String(this.#outbox?.size ?? 0)} values wait for the cloud` };
  }

  /** A request of an MQTT client. Resolves after the commit with what is to be sent once the request was forwarded. */
  request(kind: TwinRequest, id: string, payload: Buffer): Promise<() => void> {
    return this.#request(kind, id, { payload, handler: handlers[kind] });
  }

  /** The same where other edgecores listen too: about a device that we do not have nothing is said, one of them may have it. */
  requestOfMember(kind: TwinRequest, id: string, payload: Buffer): Promise<() => void> {
    const handler: Handler = (room, device, body) =>
      room.registry.member(device) === undefined ? emptyOutcome() : handlers[kind](room, device, body);
    return this.#request(kind, id, { payload, handler });
  }

  #request(kind: TwinRequest, id: string, { payload, handler }: { payload: Buffer; handler: Handler }): Promise<() => void> {
    const room = this.#running();
    // The broker's buffer is a view that is reused; the job runs in a later turn.
    const copy = Buffer.from(payload);
    const run = (): Outcome => handler(room, id, copy);
    return new Promise((resolve, reject) => {
      const done = (outcome: Outcome): void => resolve(() => this.#deliver(outcome));
      // A question needs no disk; it only shared the transaction of those that do. It is answered when memory is as before.
      const ask = (): void => queueMicrotask(() => done(run()));
      const failed = (error: HiveletError): void => {
        if (error.code !== 'INTERNAL' && questions.has(kind)) return ask();
        this.#answerFailure(room, deviceTopic[kind === 'state.update' ? 'stateResult' : 'twinResult'](id), { payload: copy, error });
        reject(error);
      };
      this.#enqueue({ run, done, failed });
    });
  }

  /**
   * A report of our own mapper host, which reads the device again after a power cut and waits for no answer: documents and
   * deltas go out at once, the row is written with the next round, and only then the answer is sent (D8). 30 devices that
   * change every second would otherwise wear a card with 13 GB a day.
   */
  report(id: string, payload: Buffer): () => void {
    const room = this.#running();
    const outcome = handleTwinUpdate({ ...room, later: true }, id, payload);
    const isAnswer = ({ topic }: Publication): boolean => outcome.touched.size > 0 && topic === deviceTopic.twinResult(id);
    this.#held.push(...outcome.publish.filter((publication) => isAnswer(publication) && room.wanted(publication.topic)));
    if (this.#held.length > HELD_ANSWERS) this.#held.splice(0, this.#held.length - HELD_ANSWERS);
    return () => this.#deliver({ ...outcome, publish: outcome.publish.filter((publication) => !isAnswer(publication)) });
  }

  /** Devices that no cloud sent; `whole`: those that came from a file before and are not among them are gone. */
  seed(entries: readonly LocalEntry[], { whole }: { whole: boolean }): Promise<void> {
    const room = this.#running();
    const gone = (): Outcome[] => (whole ? [dropDevices(room, new Set(entries.map(({ id }) => id)))] : []);
    return new Promise((resolve, reject) => {
      this.#enqueue({
        run: () => [...gone(), ...entries.map((entry) => seedDevice(room, entry))].reduce(mergeOutcomes, emptyOutcome()),
        done: (outcome) => {
          this.#deliver(outcome);
          resolve();
        },
        failed: reject,
      });
    });
  }

  /** What the mapper host runs. */
  definitions(): { list(): DeviceProfile[]; onChange(listener: (change: DefinitionChange) => void): () => void } {
    return {
      list: () => (this.#room?.registry.members() ?? []).flatMap((device) => (device.profile === undefined ? [] : [device.profile])),
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  /** Every minute, to our cloud: which devices were heard, and how long ago. */
  tellLastSeen(): void {
    this.#outbox?.tellLastSeen();
  }

  #running(): TwinRoom {
    if (this.#room === undefined) throw new HiveletError('STOPPED', 'devicetwin is not running');
    return this.#room;
  }

  #receive(message: BeehiveMessage, context: Context): void {
    try {
      this.#handle(message);
    } catch (error) {
      context.log.error('twin.message.failed', { resource: message.route.resource, error });
    }
  }

  #handle(message: BeehiveMessage): void {
    const { route, content } = message;
    if (route.source === 'edgehub') {
      if (content === 'cloud_connected') this.#connected();
      return;
    }
    if (route.source !== source.devicecontroller && route.source !== source.oldDeviceManager) {
      this.#running().log.warn('twin.message.dropped', {
        reason: 'not from the devicecontroller',
        source: route.source,
        resource: route.resource,
      });
      return;
    }
    if (route.operation === operation.response || route.operation === operation.error) return;
    const room = this.#running();
    const ours = this.#options.cloud.peer === 'hivelet';
    const body = contentObject(content);
    if (body === undefined) return this.#answer(message, ours, 'the content is not a JSON object');
    const handler = this.#cloudHandler(message, body, ours);
    if (handler === undefined) {
      room.log.warn('twin.message.dropped', { reason: 'unknown resource', resource: route.resource });
      return this.#answer(message, ours, `unknown resource ${route.resource}`);
    }
    this.#enqueue({
      run: handler,
      done: (outcome) => {
        this.#answer(message, ours, outcome.fault);
        const device = parseDeviceResource(route.resource);
        if (device?.kind === 'cloud_updated' && outcome.fault === undefined)
          room.log.info('twin.desired.stored', { device: device.id, message: message.header.msg_id });
        // After the whole list everything is told once, whatever of it the list has changed.
        const whole = ours && outcome.fault === undefined && route.resource === membershipDetail;
        this.#deliver(whole ? { ...outcome, upstream: [] } : outcome);
        if (whole) this.#outbox?.tellAll();
      },
      failed: (error) => this.#answer(message, ours, error.message),
    });
  }

  #cloudHandler(message: BeehiveMessage, body: Record<string, unknown>, ours: boolean): (() => Outcome) | undefined {
    const room = this.#running();
    const { resource, operation: verb } = message.route;
    if (resource === membershipDetail) return () => handleMembershipDetail(room, body, { ours, cloudNow: message.header.timestamp });
    if (resource === membership) return () => handleMembership(room, body, ours);
    const device = parseDeviceResource(resource);
    if (device?.kind === 'cloud_updated') return () => handleCloudUpdated(room, device.id, { content: body, ours });
    if (device?.kind === 'attributes' && verb.includes('updated')) return () => handleAttributes(room, device.id, body);
    return undefined;
  }

  /** KubeEdge clouds expect no answer to messages of group twin; ours does. */
  #answer(message: BeehiveMessage, ours: boolean, fault?: string): void {
    if (!ours) return;
    const answer = responseTo(message, this.#running().clock.now(), fault === undefined ? {} : { operation: 'error', content: fault });
    const { header, route, content } = answer;
    this.#options.cloud.send({ ...route, content, ...(header.parent_msg_id === undefined ? {} : { parentId: header.parent_msg_id }) });
  }

  #connected(): void {
    const { cloud } = this.#options;
    const room = this.#running();
    const ours = cloud.peer === 'hivelet';
    const request = detailRequest(room, ours);
    const fields = {
      source: source.twin,
      group: group.resource,
      operation: operation.get,
      resource: membershipDetail,
      content: JSON.stringify(request),
    };
    if (!ours) {
      cloud.send(fields);
      this.#outbox?.tellAll();
      return;
    }
    cloud.offer({ key: membershipDetail, make: () => cloud.message(fields) });
  }

  #enqueue(job: TwinJob): void {
    enqueueJob(this.#running(), this.#options.committer, job);
  }

  #deliver(outcome: Outcome): void {
    for (const publication of outcome.publish) this.#options.publisher.publish(publication);
    for (const change of outcome.definitions) {
      if (change.kind === 'removed') this.#outbox?.forget(change.name);
      for (const listener of this.#listeners) listener(change);
    }
    for (const event of outcome.upstream) this.#outbox?.tell(event);
  }

  #answerFailure(room: TwinRoom, topic: string, { payload, error }: { payload: Buffer; error: HiveletError }): void {
    const { eventId } = readTwinUpdate(payload, room.rules);
    this.#options.publisher.publish(errorResult(topic, { eventId, now: room.clock.now() }, { code: 500, reason: error.message }));
  }

  #storeKept(stamps: boolean): void {
    if (this.#room === undefined) return;
    const held = this.#held;
    this.#held = [];
    const stored = (): void => held.forEach((publication) => this.#options.publisher.publish(publication));
    storeKept(this.#room, this.#options.committer, { stamps, stored });
  }

  #every(context: Context, ms: number, action: () => void): void {
    const timer = context.clock.timer(ms, () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
      action();
      if (!context.signal.aborted) this.#every(context, ms, action);
    });
    this.#timers.push(timer);
  }
}

type Handler = (room: TwinRoom, id: string, payload: Buffer) => Outcome;

/** They change nothing. */
const questions: ReadonlySet<TwinRequest> = new Set(['twin.get', 'state.get', 'membership.get'] as const);

const handlers: Record<TwinRequest, Handler> = {
  'twin.update': handleTwinUpdate,
  'twin.get': handleTwinGet,
  'twin.cloud_updated': handleLocalCloudUpdated,
  'state.update': handleStateUpdate,
  'state.get': (room, id) => handleStateGet(room, id),
  'membership.get': (room, _id, payload) => handleMembershipGet(room, payload),
};
