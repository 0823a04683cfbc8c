/**
 * Owns the life of this board's certificate: renewed over the link before it ends, after its end at the cloud's certificate port as long as that
 * grants it; and which authorities are trusted. Without a cloud the edge works on, whatever has ended.
 */
import { X509Certificate } from 'node:crypto';
import type { Clock, Timer } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Context, Health, Module } from '#beehive/module.ts';
import { backoff } from '#beehive/retry.ts';
import { readNotice } from '#wire/certificate-messages.ts';
import { contentObject, responseTo, type BeehiveMessage, type NewMessage } from '#wire/message.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { certificateOfNode, group, operation, source } from '#wire/resources.ts';
import { checkAuthorities, checkCertificate } from './certificate-checks.ts';
import { askDoor, type DoorRequest } from './certificate-door.ts';
import {
  askingKey,
  authorityHashes,
  installAuthorities,
  installPair,
  readCredentials,
  type CredentialFiles,
  type Credentials,
} from './credential-files.ts';
import { CLOCK_SET_MS, planOf, standingOf, type Standing } from './renewal-plan.ts';
import type { Greeting } from './websocket.ts';

/** The link, as the hub has it. */
export interface CertificateLink {
  readonly peer: 'offline' | 'kubeedge' | 'hivelet';
  /** The cloud renews certificates over the link. */
  readonly takesCertificates: boolean;
  message(fields: NewMessage): BeehiveMessage;
  offer(entry: WindowEntry): boolean;
  /** Ends the link and dials anew, with what the files say now. */
  relink(reason: string): void;
}

export interface CertificateRenewalOptions {
  node: string;
  files: CredentialFiles;
  /** URL of the cloud's certificate port. */
  door: string;
  link: CertificateLink;
  /** false: the certificate is somebody else's to replace. */
  renews: boolean;
  /** `askDoor` but in tests. */
  ask?: (asked: DoorRequest) => Promise<X509Certificate>;
}

const LOOK_MS = 6 * 60 * 60_000;
const RETRY_MS = { first: 10_000, max: 60 * 60_000 };
const ANSWER_MS = 60_000;
/** An authority that ends soon issues what is due at once. */
const AGAIN_MS = 24 * 60 * 60_000;
/** The same fault is told again after so long. */
const FAULT_LOG_MS = 24 * 60 * 60_000;

export class CertificateRenewal implements Module {
  readonly name = 'certificates';
  readonly #options: CertificateRenewalOptions;
  #context: Context | undefined;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  /** When to look next, as far as anybody has said. */
  #soonerMs = Infinity;
  #waits: Generator<number, never> | undefined;
  /** What the cloud's clock said, and the monotonic time of that. */
  #told: { wallMs: number; atMs: number } | undefined;
  /** Of the certificate that the cloud wants replaced. */
  #unwanted = '';
  /** The cloud said of the last link that the certificate has ended. */
  #isRefused = false;
  #isClockTold = false;
  /** Monotonic. */
  #notBeforeMs = -Infinity;
  #fault = { text: '', loggedMs: -Infinity };

  constructor(options: CertificateRenewalOptions) {
    this.#options = options;
  }

  start(context: Context): Promise<void> {
    this.#context = context;
    this.#waits = undefined;
    this.#lookIn(0);
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    await this.#running;
    this.#context = undefined;
  }

  health(): Health {
    return this.#fault.text === '' ? { ok: true } : { ok: true, detail: this.#fault.text };
  }

  /** The link is up. */
  connected({ cloudNowMs }: Greeting): void {
    this.#isRefused = false;
    const context = this.#context;
    if (context === undefined) return;
    if (cloudNowMs !== undefined) this.#told = { wallMs: cloudNowMs, atMs: context.clock.monotonic() };
    this.#lookIn(0);
  }

  /** The cloud does not take the certificate. Without a word of why, its end is supposed where nobody knows the time. */
  refused(how: 'certificate ended' | 'hung up'): void {
    const clock = this.#context?.clock;
    if (this.#isRefused || clock === undefined || (how === 'hung up' && this.#now(clock) !== undefined)) return;
    this.#isRefused = true;
    this.#lookIn(0);
  }

  /** The cloud says which authorities to trust; `cloud` is what it shows. The answer says what is trusted then, or why that is refused. */
  answer(message: BeehiveMessage, cloud: X509Certificate | undefined): BeehiveMessage {
    const nowMs = this.#context?.clock.now() ?? 0;
    try {
      return responseTo(message, nowMs, { content: this.#take(message.content, cloud) });
    } catch (error) {
      this.#context?.log.warn('certificate.authorities.refused', { reason: messageOf(error) });
      return responseTo(message, nowMs, { operation: 'error', content: messageOf(error) });
    }
  }

  #take(content: unknown, cloud: X509Certificate | undefined): { trusts: string[] } {
    const notice = readNotice(content);
    if (notice === undefined) throw new HiveletError('VALUE_INVALID', 'the message names no authorities');
    const { files } = this.#options;
    const present = readCredentials(files);
    if (notice.authorities !== present.ca) {
      checkAuthorities(notice.authorities, cloud);
      installAuthorities(files, notice.authorities);
      const trusts = authorityHashes(notice.authorities);
      this.#context?.log.info('certificate.authorities', { trusts: trusts.map((hash) => hash.slice(0, 16)) });
    }
    if (notice.renew) {
      this.#unwanted = new X509Certificate(present.cert).fingerprint256;
      this.#lookIn((this.#context?.clock.random() ?? 0) * notice.spreadMs);
    }
    return { trusts: authorityHashes(notice.authorities) };
  }

  /** The sooner of what was planned and this. */
  #lookIn(ms: number): void {
    const context = this.#context;
    if (context === undefined || context.signal.aborted) return;
    this.#soonerMs = Math.min(this.#soonerMs, ms);
    if (this.#running !== undefined) return;
    this.#timer?.cancel();
    this.#timer = context.clock.timer(this.#soonerMs, () => {
      this.#soonerMs = Infinity;
      this.#running = this.#look(context).then((againMs) => {
        this.#running = undefined;
        this.#lookIn(againMs);
      });
    });
  }

  /** Never rejects. Answers when to look again. */
  async #look({ clock, log }: Context): Promise<number> {
    let present: Credentials;
    if (!this.#options.renews) return LOOK_MS;
    try {
      present = readCredentials(this.#options.files);
    } catch {
      // The link says so: there is no certificate yet.
      return LOOK_MS;
    }
    try {
      const standing = this.#standing(present.cert, clock);
      if (standing === 'good') this.#fault = { text: '', loggedMs: -Infinity };
      if (standing === 'good' || clock.monotonic() < this.#notBeforeMs) return LOOK_MS;
      if (standing === 'unknown') {
        if (!this.#isClockTold)
          this.#tell(`the clock says ${String(new Date(clock.now()).getUTCFullYear())}: renewal waits for the cloud's`);
        this.#isClockTold = true;
        return LOOK_MS;
      }
      const by = this.#way(standing);
      if (by === undefined) return LOOK_MS;
      await this.#renew(present, by);
      this.#waits = undefined;
      this.#fault = { text: '', loggedMs: -Infinity };
      this.#notBeforeMs = clock.monotonic() + AGAIN_MS;
      return LOOK_MS;
    } catch (error) {
      if (this.#context?.signal.aborted === true) return LOOK_MS;
      this.#tell(`the certificate of this node was not renewed: ${messageOf(error)}`);
      log.debug('certificate.retry', { error });
      this.#waits ??= backoff(RETRY_MS.first, RETRY_MS.max, () => clock.random());
      return this.#waits.next().value;
    }
  }

  #standing(cert: string, clock: Clock): Standing {
    const parsed = new X509Certificate(cert);
    if (this.#isRefused) return 'ended';
    if (parsed.fingerprint256 === this.#unwanted) {
      this.#notBeforeMs = -Infinity;
      return 'due';
    }
    return standingOf(planOf(parsed), this.#now(clock));
  }

  /** The cloud's clock where it has told; a board's own only when it was set. */
  #now(clock: Clock): number | undefined {
    if (this.#told !== undefined) return this.#told.wallMs + (clock.monotonic() - this.#told.atMs);
    return clock.now() >= CLOCK_SET_MS ? clock.now() : undefined;
  }

  /** Over the link while there is one; what has ended gets none. */
  #way(standing: Standing): 'link' | 'door' | undefined {
    const { link } = this.#options;
    if (link.peer === 'hivelet' && link.takesCertificates) return 'link';
    return link.peer === 'kubeedge' || standing === 'ended' ? 'door' : undefined;
  }

  async #renew(present: Credentials, by: 'link' | 'door'): Promise<void> {
    const { node, files, link, door, ask = askDoor } = this.#options;
    const { newKey, requestFor } = await import('./certificate-request.ts');
    const key = await askingKey(files, newKey);
    const body = await requestFor(node, key);
    const signal = this.#context?.signal ?? AbortSignal.abort();
    const certificate =
      by === 'link' ? await this.#askLink(body, signal) : await ask({ url: door, node, credentials: present, body, signal });
    checkCertificate(certificate, { key, node, ca: present.ca });
    installPair(files, { cert: certificate.toString(), key });
    this.#isRefused = false;
    this.#context?.log.info('certificate.renewed', { by, ends: new Date(certificate.validTo).toISOString() });
    link.relink('the certificate of this node was renewed');
  }

  async #askLink(body: Buffer, signal: AbortSignal): Promise<X509Certificate> {
    const { link } = this.#options;
    const clock = this.#context?.clock;
    if (clock === undefined) throw new HiveletError('STOPPED');
    const answered = new Promise<BeehiveMessage>((resolve, reject) => {
      const fail = (reason: string): void => reject(new HiveletError('LINK_CLOSED', reason));
      const isTaken = link.offer({
        key: certificateOfNode,
        make: () =>
          link.message({
            source: source.edgehub,
            group: group.resource,
            operation: operation.query,
            resource: certificateOfNode,
            content: body.toString('base64'),
          }),
        tries: 3,
        onAck: resolve,
        onError: (answer) => {
          fail(String(answer.content));
          return 'drop';
        },
        onGiveUp: () => fail('the cloud does not answer'),
      });
      if (!isTaken) fail('there is no link to the cloud');
    });
    const over = new AbortController();
    const late = clock.sleep(ANSWER_MS, AbortSignal.any([signal, over.signal])).then(() => {
      throw new HiveletError('LINK_CLOSED', 'the link ended before the cloud answered');
    });
    const answer = await Promise.race([answered, late]).finally(() => over.abort());
    const text = contentObject(answer.content)?.['certificate'];
    try {
      return new X509Certificate(Buffer.from(typeof text === 'string' ? text : '', 'base64'));
    } catch (cause) {
      throw new HiveletError('LINK_CLOSED', 'the cloud answered with what is no certificate', { cause });
    }
  }

  /** A fault that lasts is one line a day. */
  #tell(text: string): void {
    const nowMs = this.#context?.clock.monotonic() ?? 0;
    const isOld = text === this.#fault.text && nowMs - this.#fault.loggedMs < FAULT_LOG_MS;
    if (isOld) return;
    this.#fault = { text, loggedMs: nowMs };
    const effect = 'the edge works on; what reaches the cloud waits for it';
    this.#context?.log.warn('certificate.waits', { reason: text, effect });
  }
}
