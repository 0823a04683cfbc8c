/** Owns reported values, device state and last-seen on their way UP: from the node's messages to the status of the Device. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import { fieldsOf, textOf } from '#device-models/fields.ts';
import { contentObject, createMessage, responseTo, type BeehiveMessage } from '#wire/message.ts';
import { group, operation, parseDeviceResource, source } from '#wire/resources.ts';
import type { KubeApi, KubeObject } from '../store/kube-api.ts';
import { involvedIn, type EventSink, type HappenedEvent } from '../store/kubeconfig/event-recorder.ts';
import { reasonOf, reportedInApi, stateInApi } from './api-status.ts';
import { conditionsOf, conditionsWithoutReport, ownConditions, shownState, type DeviceSituation } from './conditions.ts';
import type { Peer } from './definitions.ts';
import type { DeviceBook } from './device-book.ts';
import { DeviceReport, type DeviceState, type ReportedValue, type ReportedWrite } from './device-report.ts';
import { DesiredProgress } from './desired-progress.ts';
import { transitionEvents } from './device-events.ts';
import { summaryOf } from './device-summary.ts';
import type { DeviceView } from './device-view.ts';
import { planStatus, type WantedStatus } from './status-patch.ts';
import { StatusWriter, type Receipt } from './status-writer.ts';

/** What this side needs of a connected node. */
export interface ReportingNode {
  readonly node: string;
  readonly peer: Peer;
  /** Names the counters that order its reports: the uuid of its database, or its link. */
  readonly store: string;
  send(message: BeehiveMessage): void;
}

/** Why a message was not taken; the hub counts it and tells the node. */
export type Refusal = { refused: string } | undefined;

export interface ReportedOptions {
  api: KubeApi;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  book: DeviceBook;
  object: (key: string) => KubeObject | undefined;
  /** Where people are told what happens to a device. */
  events?: EventSink;
  /** `missing`: no Node object; `lost`: not Ready. */
  nodeState: (node: string) => DeviceSituation['node'];
  /** Which of several replicas writes of the devices of a node; absent: this one, everything. */
  duties?: Duties;
}

/** `all`: this replica serves the node, so it has its reports; `verdict`: nobody does, and it is ours to say what can be said without. */
export interface Duties {
  of(node: string | undefined): 'all' | 'verdict' | 'nothing';
  /** Asks the API. */
  confirm(node: string | undefined): Promise<boolean>;
}

interface Tracked {
  report: DeviceReport;
  progress: DesiredProgress;
  /** Hash of the desired values, and when (monotonic) it last changed. */
  desired: string;
  desiredAtMs: number;
  /** The same of the state's last change. */
  flippedAtMs: number;
}

/** So long after a change of desired values the status follows each second. */
const BRISK_MS = 30_000;
/** A device that went away, or came back, is shown so within a second, however chatty its values were. Long enough for that one write. */
const FLIP_MS = 2000;
const MAX_STATE_LENGTH = 64;

export class Reported {
  readonly #options: ReportedOptions;
  readonly #writer: StatusWriter;
  /** By uid of the Device. */
  readonly #tracked = new Map<string, Tracked>();

  constructor(options: ReportedOptions) {
    const { api, clock, log, signal, object } = options;
    this.#options = options;
    this.#writer = new StatusWriter({
      api,
      clock,
      log,
      signal,
      object,
      plan: (key, current) => this.#plan(key, current),
      brisk: (key) => this.#brisk(key),
      written: (before, after) => {
        for (const event of transitionEvents(before, after)) this.#tell(after, event);
      },
      confirm: (key) => this.#options.duties?.confirm(this.#options.book.view(key)?.node) ?? Promise.resolve(true),
    });
  }

  /** Takes `device/<id>/twin/edge_updated`, `device/<id>/state/update`; answers the node when the API has it. */
  receive(from: ReportingNode, message: BeehiveMessage): Refusal {
    const resource = parseDeviceResource(message.route.resource);
    const content = contentObject(message.content);
    if (resource === undefined || content === undefined) return { refused: 'the message is no report of a device' };
    const view = this.#options.book.bound(from.node, resource.id);
    // The one place where a node's reports are held against what is bound to it.
    if (view === undefined) return { refused: `device ${resource.id} is not bound to node ${from.node}` };
    const uid = fieldsOf(content['hivelet'])?.['uid'];
    if (typeof uid === 'string' && uid !== '' && uid !== view.uid) {
      this.#answer(from, message);
      return undefined;
    }
    if (resource.kind === 'edge_updated') return this.#takeTwins(from, message, { view, twin: content['twin'] });
    if (resource.kind === 'state') return this.#takeState(from, message, { view, content });
    return { refused: 'the message is no report of a device' };
  }

  /** Takes `devices/last-seen`: ages in ms by device id. */
  receiveLastSeen(from: ReportingNode, message: BeehiveMessage): Refusal {
    const ages = fieldsOf(contentObject(message.content)?.['ages']);
    if (ages === undefined) return { refused: 'the message names no ages' };
    for (const [id, age] of Object.entries(ages)) {
      const view = this.#options.book.bound(from.node, id);
      if (view === undefined || typeof age !== 'number' || !(age >= 0)) continue;
      this.#track(view).report.lastSeenMs = this.#options.clock.now() - age;
      this.#writer.touch(view.key);
    }
    this.#answer(from, message);
    return undefined;
  }

  /** The Device, its binding or its model changed. */
  statusChanged(key: string): void {
    const view = this.#options.book.view(key);
    if (view !== undefined) {
      const tracked = this.#track(view);
      if (tracked.desired !== view.desired) {
        tracked.desired = view.desired;
        tracked.desiredAtMs = this.#options.clock.monotonic();
      }
    }
    this.#writer.touch(key);
  }

  nodeChanged(node: string): void {
    for (const view of this.#options.book.boundTo(node)) this.#writer.touch(view.key);
  }

  /**
   * What this replica may write of the node's devices changed; undefined = of all devices. `afresh`: another replica serves the node, so
   * what is known of its reports is older than the API.
   */
  dutyChanged(node: string | undefined, afresh: boolean): void {
    const { book } = this.#options;
    for (const view of node === undefined ? book.views() : book.boundTo(node)) {
      const tracked = this.#tracked.get(view.uid);
      if (afresh && tracked !== undefined) tracked.report = new DeviceReport();
      this.#writer.touch(view.key);
    }
  }

  /** The Device was deleted. */
  forget(key: string, uid: string): void {
    this.#tracked.delete(uid);
    this.#writer.touch(key);
  }

  /** The edge confirmed that it has the desired values of this state of the Device. */
  observed(view: DeviceView): void {
    const { observed } = this.#track(view).report;
    observed.clear();
    for (const { name, desired } of view.profile.properties) if (desired !== undefined) observed.set(name, desired.value);
  }

  #takeTwins(from: ReportingNode, message: BeehiveMessage, body: { view: DeviceView; twin: unknown }): Refusal {
    const { view } = body;
    const tracked = this.#track(view);
    const result = tracked.report.takeTwins(body.twin, { store: from.store, desired: desiredTexts(view) });
    if ('refused' in result) return result;
    const { urgent, events } = tracked.progress.take(view, tracked.report, result.taken);
    for (const event of events) this.#tell(view.object, event);
    this.#writer.touch(view.key, { urgent, receipt: this.#receipt(from, message) });
    return undefined;
  }

  #takeState(from: ReportingNode, message: BeehiveMessage, body: { view: DeviceView; content: Record<string, unknown> }): Refusal {
    const device = fieldsOf(body.content['device']);
    const state = device?.['state'];
    if (typeof state !== 'string' || state === '' || state.length > MAX_STATE_LENGTH) return { refused: 'device.state is not a word' };
    const reason = textOf(device?.['reason']);
    const version = fieldsOf(body.content['hivelet'])?.['version'];
    const tracked = this.#track(body.view);
    const { report } = tracked;
    const before = report.state?.state;
    const said: DeviceState = { state, ...(reason === undefined || reason === '' ? {} : { reason: reason.slice(0, 500) }) };
    const newer = report.takeState(said, { store: from.store, version: typeof version === 'number' ? version : undefined });
    if (newer && state !== before) tracked.flippedAtMs = this.#options.clock.monotonic();
    if (newer && /^(online|ok)$/i.test(state)) report.lastSeenMs = this.#options.clock.now();
    this.#writer.touch(body.view.key, { receipt: this.#receipt(from, message) });
    return undefined;
  }

  #tell(object: KubeObject, event: HappenedEvent): void {
    this.#options.events?.record(involvedIn(object), event);
  }

  #brisk(key: string): boolean {
    const view = this.#options.book.view(key);
    const tracked = view === undefined ? undefined : this.#tracked.get(view.uid);
    const now = this.#options.clock.monotonic();
    return tracked !== undefined && (now - tracked.desiredAtMs < BRISK_MS || now - tracked.flippedAtMs < FLIP_MS);
  }

  #plan(key: string, object: KubeObject): ReturnType<typeof planStatus> {
    const { book, clock, nodeState } = this.#options;
    const view = book.view(key);
    if (view === undefined || view.uid !== object.metadata.uid) return [];
    if (this.#options.duties?.of(view.node) === 'nothing') return [];
    const report = this.#tracked.get(view.uid)?.report;
    const situation: DeviceSituation = {
      view,
      rival: book.rivalOf(view),
      node: view.node === undefined ? 'missing' : nodeState(view.node),
      state: report?.state ?? stateInApi(object),
      overrides: report?.overrides(desiredTexts(view)) ?? new Map<string, string>(),
    };
    const conditions = conditionsOf(situation);
    const inApi = reportedInApi(object);
    const wanted: WantedStatus = {
      twins: report?.twins ?? new Map<string, ReportedValue>(),
      writes: report?.writes ?? new Map<string, ReportedWrite>(),
      observed: report?.observed ?? new Map<string, string>(),
      state: shownState(situation),
      lastSeenMs: report?.lastSeenMs,
      conditions,
      // Nothing is known of local overrides before the edge has told them.
      ownTypes: report?.heard === true ? ownConditions : conditionsWithoutReport,
      summary: summaryOf({
        profile: view.profile,
        reported: (property) => report?.twins.get(property)?.value ?? inApi.get(property),
        reason: reasonOf(situation.state, conditions),
      }),
    };
    return planStatus(object, wanted, clock.now());
  }

  #track(view: DeviceView): Tracked {
    let tracked = this.#tracked.get(view.uid);
    if (tracked === undefined) {
      tracked = {
        report: new DeviceReport(),
        progress: new DesiredProgress(),
        desired: view.desired,
        desiredAtMs: -Infinity,
        flippedAtMs: -Infinity,
      };
      this.#tracked.set(view.uid, tracked);
    }
    return tracked;
  }

  #receipt(from: ReportingNode, report: BeehiveMessage): Receipt {
    // Thousands may wait for their write: what was said in them is taken already.
    const message = { ...report, content: undefined };
    return {
      node: from.node,
      done: () => this.#answer(from, message),
      refused: (reason) => {
        // A KubeEdge cloud says nothing on failure (cloud-edge-transport.md 8.4).
        if (from.peer === 'hivelet') {
          from.send(responseTo(message, this.#options.clock.now(), { operation: 'error', content: reason }));
        }
      },
    };
  }

  /** KubeEdge answers reports of twins only, and under the resource `twin`. */
  #answer(from: ReportingNode, message: BeehiveMessage): void {
    const now = this.#options.clock.now();
    if (parseDeviceResource(message.route.resource)?.kind === 'edge_updated') {
      const route = { source: source.devicecontroller, group: group.twin, operation: operation.response, resource: 'twin' };
      from.send(createMessage(now, { ...route, content: 'OK', parentId: message.header.msg_id }));
    } else if (from.peer === 'hivelet') from.send(responseTo(message, now));
  }
}

function desiredTexts(view: DeviceView): Map<string, string> {
  return new Map(view.profile.properties.flatMap(({ name, desired }) => (desired === undefined ? [] : [[name, desired.value] as const])));
}
