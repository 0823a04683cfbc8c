/**
 * Owns the change from one authority to the next while the fleet runs: boards are told whom to trust and to renew, what they do is written down, the
 * servers move when all of them trust the new one. Every cloudcore follows the same record (`rotation-record.ts`).
 */
import type { X509Certificate } from 'node:crypto';
import type { Clock, Timer } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { responseTo, type BeehiveMessage } from '#wire/message.ts';
import { operation } from '#wire/resources.ts';
import { secrets, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { Reflector } from '../store/kubeconfig/reflector.ts';
import { AuthorityUses, boardsOf, shortName, stateOf, type AuthorityUse } from './authority-use.ts';
import { issuerName, noticeEntry, noticeFor, useOf, type BoardLink } from './board-notice.ts';
import type { NodeLists } from './node-lists.ts';
import { RECORD_NAME, RotationRecords, readRecord, type RotationRecord } from './rotation-record.ts';
import { NAMESPACE, selectorOf } from './secrets.ts';

/** The authorities and servers of this cloudcore. */
export interface Site {
  /** Goes along with the record. Rejects with one sentence why it cannot. */
  follow(record: RotationRecord | undefined): Promise<void>;
  /** Takes over files that were changed by others. */
  look(): Promise<void>;
  /** Issues server certificates that are due. */
  renew(): Promise<void>;
  /** PEM: trusted authorities, and the one with which renewals are signed here ('' = none are). */
  trusted(): Promise<{ bundle: string; signer: string }>;
}

export interface RotationOptions {
  api: KubeApi;
  lists: NodeLists;
  site: Site;
  leads: () => boolean;
  /** Another certificate for the node of a link. Must not reject. */
  renew: (asked: {
    node: string;
    certificate: X509Certificate;
    address: string;
    body: Buffer;
  }) => Promise<{ status: number; body: string | Buffer }>;
  endLinks: (reason: string) => void;
  endLink: (node: string, reason: string) => void;
}

const LOOK_MS = 5000;
const FILES_MS = 60_000;
const RENEW_MS = 60 * 60_000;
const FLUSH_MS = 500;
/** As at the certificate port: a request with an RSA key of 8192 bits has 3 KiB. */
const MOST_REQUEST = 24 * 1024;

interface Linked {
  link: BoardLink;
  use: AuthorityUse;
}

export class Rotation implements Module {
  readonly name = 'authorities';
  readonly #options: RotationOptions;
  readonly #links = new Map<string, Linked>();
  readonly #unwritten = new Map<string, AuthorityUse>();
  #context: Context | undefined;
  #reflector: Reflector | undefined;
  #record: RotationRecord | undefined;
  /** What the site has followed to. */
  #followed: RotationRecord['phase'] | 'none' | undefined;
  #fault = '';
  #due = { filesMs: 0, renewMs: 0 };
  #timers = new Set<Timer>();
  /** One step at a time. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  async start(context: Context): Promise<void> {
    const { clock, log, signal } = context;
    this.#context = context;
    this.#followed = undefined;
    this.#due = { filesMs: clock.monotonic() + FILES_MS, renewMs: clock.monotonic() + RENEW_MS };
    const took = (object: KubeObject | undefined): void => this.#took(object);
    this.#reflector = new Reflector({
      api: this.#options.api,
      type: secrets,
      namespace: NAMESPACE,
      labelSelector: selectorOf('authorities'),
      clock,
      log,
      onUpsert: (_previous, current) => took(current),
      onDelete: () => took(undefined),
    });
    this.#reflector.start();
    await this.#reflector.synced(signal);
    // What was recorded before this start is in force before the first board comes.
    await this.#enqueue(() => this.#step());
    this.#tick();
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await this.#reflector?.stop();
    this.#reflector = undefined;
    await this.#work;
    this.#context = undefined;
    this.#links.clear();
  }

  health(): Health {
    if (this.#fault !== '') return { ok: false, detail: this.#fault };
    return { ok: true, ...(this.#record === undefined ? {} : { detail: `change of the authority: ${this.#record.phase}` }) };
  }

  /** A board is connected. */
  connected(link: BoardLink): void {
    const linked: Linked = { link, use: useOf(link) };
    this.#links.set(link.node, linked);
    const gone = (): void => {
      if (this.#links.get(link.node) === linked) this.#links.delete(link.node);
    };
    link.signal.addEventListener('abort', gone, { once: true });
    void this.#enqueue(() => this.#tell(linked));
  }

  /** A board asks for its next certificate. */
  receive(link: Pick<BoardLink, 'node' | 'send'>, message: BeehiveMessage): { refused: string } | undefined {
    const linked = this.#links.get(link.node);
    const clock = this.#context?.clock;
    if (linked === undefined || clock === undefined) return { refused: 'the cloud is not ready: ask again' };
    if (typeof message.content !== 'string' || message.content.length > MOST_REQUEST)
      return { refused: 'the content is no certificate request in base64' };
    const { node, certificate } = linked.link;
    const asked = { node, certificate, address: 'its link', body: Buffer.from(message.content, 'base64') };
    void this.#options.renew(asked).then(({ status, body }) => {
      const answer =
        status === 200 && typeof body !== 'string'
          ? { content: { certificate: body.toString('base64') } }
          : { operation: operation.error, content: String(body) };
      link.send(responseTo(message, clock.now(), answer));
    });
    return undefined;
  }

  #took(object: KubeObject | undefined): void {
    if (object !== undefined && object.metadata.name !== RECORD_NAME) return;
    try {
      this.#record = object === undefined ? undefined : readRecord(object);
    } catch (error) {
      // What was known of it before still holds.
      this.#fail(messageOf(error));
      return;
    }
    void this.#enqueue(() => this.#step());
  }

  /** Never rejects. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#context === undefined || this.#context.signal.aborted) return;
      try {
        await work();
      } catch (error) {
        this.#fail(messageOf(error));
      }
    });
    return this.#work;
  }

  /** The same fault again is no news. */
  #fail(fault: string): void {
    if (fault !== this.#fault) this.#context?.log.error('authorities.failed', { reason: fault });
    this.#fault = fault;
  }

  async #step(): Promise<void> {
    const { site, endLinks, endLink } = this.#options;
    const record = this.#record;
    const phase = record?.phase ?? 'none';
    if (this.#followed === phase) return;
    const before = this.#followed;
    await site.follow(record);
    this.#followed = phase;
    this.#fault = '';
    this.#context?.log.info('authorities.followed', { phase });
    if (before === undefined) return;
    // Their links stand on a certificate of the hub that nobody shows any more.
    if (phase === 'moved' || before === 'overlap') endLinks('the certificate of the cloud has changed: connect anew');
    if (phase === 'dropped' && record !== undefined) {
      const old = shortName(record.old);
      for (const [node, { use }] of this.#links) if (use.issuer === old) endLink(node, 'its authority is no longer trusted');
    }
    for (const linked of [...this.#links.values()]) await this.#tell(linked);
  }

  #tick(): void {
    const context = this.#context;
    if (context === undefined || context.signal.aborted) return;
    const nowMs = context.clock.monotonic();
    void this.#enqueue(async () => {
      await this.#step();
      const { site } = this.#options;
      if (nowMs >= this.#due.renewMs) {
        this.#due.renewMs = nowMs + RENEW_MS;
        await site.renew();
      } else if (nowMs >= this.#due.filesMs) {
        this.#due.filesMs = nowMs + FILES_MS;
        await site.look();
      }
      await this.#moveWhenReady(context.clock);
    });
    this.#after(LOOK_MS, () => this.#tick());
  }

  /** The servers show the new certificate once every board can check it. */
  async #moveWhenReady(clock: Clock): Promise<void> {
    const { api, lists, leads } = this.#options;
    const record = this.#record;
    if (record?.phase !== 'overlap' || this.#followed !== 'overlap' || !leads()) return;
    const uses = await new AuthorityUses({ api, clock }).read();
    const boards = await boardsOf({ api, lists, nowMs: clock.now() });
    const states = boards.map((node) => stateOf(record, node, uses.get(node)));
    if (!states.every(({ trustsNew }) => trustsNew)) return;
    await new RotationRecords({ api, clock }).advance('moved');
    this.#context?.log.info('authorities.moved', { boards: states.length });
  }

  /** Says what differs from what the board has, and nothing else. */
  async #tell(linked: Linked): Promise<void> {
    const context = this.#context;
    if (context === undefined || linked.link.signal.aborted) return;
    const { bundle, signer } = await this.#options.site.trusted();
    if (linked.use.issuer === '') linked.use = { ...linked.use, issuer: issuerName(linked.link.certificate, bundle) };
    this.#note(linked);
    const record = this.#record?.phase === 'dropped' ? undefined : this.#record;
    const canRenew = record !== undefined && signer !== '' && shortName(signer) === shortName(record.next);
    const renew = canRenew && linked.use.issuer !== shortName(record.next);
    const notice = noticeFor(linked.use, { bundle, renew, boards: this.#links.size });
    if (notice === undefined || linked.link.trusts === undefined) return;
    linked.link.offer(
      noticeEntry(notice, {
        clock: context.clock,
        learned: (change) => {
          linked.use = { ...linked.use, ...change };
          this.#note(linked);
        },
      }),
    );
  }

  /** Only while it matters. */
  #note({ link, use }: Linked): void {
    if (this.#record === undefined || this.#record.phase === 'dropped') return;
    const isFirst = this.#unwritten.size === 0;
    this.#unwritten.set(link.node, use);
    if (isFirst) this.#after(FLUSH_MS, () => void this.#enqueue(() => this.#flush()));
  }

  async #flush(): Promise<void> {
    const context = this.#context;
    if (context === undefined) return;
    const changes = new Map(this.#unwritten);
    this.#unwritten.clear();
    try {
      await new AuthorityUses({ api: this.#options.api, clock: context.clock }).note(changes);
    } catch (error) {
      for (const [node, use] of changes) if (!this.#unwritten.has(node)) this.#unwritten.set(node, use);
      this.#after(LOOK_MS, () => void this.#enqueue(() => this.#flush()));
      context.log.warn('authorities.unwritten', { boards: changes.size, error });
    }
  }

  #after(ms: number, action: () => void): void {
    const timer = this.#context?.clock.timer(ms, () => {
      this.#timers.delete(timer as Timer);
      action();
    });
    if (timer !== undefined) this.#timers.add(timer);
  }
}
