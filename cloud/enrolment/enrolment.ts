/** Owns who gets a node's certificate: by a join token, or by a certificate of that node; for one name, which is free or theirs. */
import { createHash, type X509Certificate } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { isHiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { isNodeName } from '#wire/node-name.ts';
import { nodes, type KubeApi } from '../store/kube-api.ts';
import type { Decision, ListedCertificate, NodeList, NodeLists } from './node-lists.ts';
import { orNone } from './secrets.ts';
import { Throttle } from './throttle.ts';
import type { TokenRecord, TokenStore } from './token-store.ts';

/** The client certificate of a connection. `expired`: good but for its end, which has passed. The connection itself proves its key. */
export type Peer =
  { kind: 'none' } | { kind: 'invalid'; reason: string } | { kind: 'valid' | 'expired'; commonName: string; certificate: X509Certificate };

export interface EnrolRequest {
  address: string;
  peer: Peer;
  /** Header `Authorization`. */
  authorization: string;
  /** Header `NodeName`. */
  nodeName: string;
  /** Header `ExtKeyUsages`: a JSON list of Go's numbers. */
  usages: string;
  /** PKCS#10, DER. */
  body: Buffer;
}

/** Text is one sentence for a person, bytes are a certificate in DER. */
export interface EnrolAnswer {
  status: number;
  body: string | Buffer;
  retryAfterS?: number;
}

/** What a signature of an authority is asked for with. Throws VALUE_INVALID for the request. */
export type Sign = (
  purpose: 'join' | 'renew',
  asked: { node: string; request: Buffer },
) => Promise<{ certificate: Buffer; fingerprint: string; key: string; endsMs: number }>;

export interface EnrolmentOptions {
  api: KubeApi;
  tokens: TokenStore;
  lists: NodeLists;
  sign: Sign;
  /** For so long after its end a certificate still gets another one. */
  graceMs: number;
  clock: Clock;
  log: Logger;
}

/** Who asks, and for which node. */
type Claim = { node: string } & ({ by: 'token'; token: TokenRecord } | { by: 'certificate'; known: ListedCertificate; isEnded: boolean });

/** KubeEdge's words, which its users search for; ours follow. */
const BAD_TOKEN = 'Invalid authorization token';
const CLIENT_AUTH = 2;
const MOST_AT_ONCE = 16;

export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #throttle: Throttle;
  #running = 0;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#throttle = new Throttle(options.clock);
  }

  /** For the node of a link, by the certificate that it stands on. Never rejects. */
  async renew(asked: { node: string; certificate: X509Certificate; address: string; body: Buffer }): Promise<EnrolAnswer> {
    const { node, certificate, ...rest } = asked;
    const names = certificate.subject.split('\n').filter((line) => line.startsWith('CN='));
    const peer: Peer = { kind: 'valid', commonName: names.length === 1 ? (names[0] ?? '').slice(3) : '', certificate };
    return this.#bounded({ ...rest, peer, nodeName: node, authorization: '', usages: '' });
  }

  /** Never rejects. */
  async issue(request: EnrolRequest): Promise<EnrolAnswer> {
    const waitS = Math.ceil(this.#throttle.waitMs(request.address) / 1000);
    if (waitS > 0)
      return { status: 429, body: `too many refused requests from ${request.address}: try again in ${waitS} s`, retryAfterS: waitS };
    const answer = await this.#bounded(request);
    if (answer.status === 200) this.#throttle.succeeded(request.address);
    else if (answer.status < 500) this.#throttle.failed(request.address);
    return answer;
  }

  async #bounded(request: EnrolRequest): Promise<EnrolAnswer> {
    const { log } = this.#options;
    if (this.#running >= MOST_AT_ONCE) return { status: 503, body: 'too many boards join at once: try again', retryAfterS: 2 };
    this.#running += 1;
    try {
      const answer = await this.#answer(request);
      if (answer.status !== 200) {
        log.warn('enrolment.refused', {
          node: request.nodeName.slice(0, 253),
          from: request.address,
          status: answer.status,
          reason: answer.body,
        });
      }
      return answer;
    } catch (error) {
      log.warn('enrolment.failed', { node: request.nodeName.slice(0, 253), from: request.address, error });
      return { status: 503, body: `the cloud could not do it now (${messageOf(error)}): try again`, retryAfterS: 5 };
    } finally {
      this.#running -= 1;
    }
  }

  async #answer(request: EnrolRequest): Promise<EnrolAnswer> {
    const claim = await this.#claim(request);
    if ('status' in claim) return claim;
    const usages = usagesIn(request.usages);
    if (usages === undefined) return { status: 400, body: 'header ExtKeyUsages is no JSON list of numbers' };
    if (!usages.includes(CLIENT_AUTH))
      return { status: 400, body: 'header ExtKeyUsages: boards get client certificates (2) and no others' };
    try {
      return await this.#certify(claim, request);
    } catch (error) {
      if (isHiveletError(error, 'VALUE_INVALID')) return { status: 400, body: error.message };
      throw error;
    }
  }

  async #claim({ peer, authorization, nodeName }: EnrolRequest): Promise<Claim | EnrolAnswer> {
    if (peer.kind === 'invalid') return { status: 401, body: `the client certificate is not valid: ${peer.reason}` };
    if (peer.kind !== 'none') return claimOf(peer, { nodeName, nowMs: this.#options.clock.now(), graceMs: this.#options.graceMs });
    const words = authorization.split(' ');
    if (words.length !== 2) return { status: 401, body: BAD_TOKEN };
    const token = await this.#options.tokens.find(words[1] ?? '');
    if (typeof token === 'string') return { status: 400, body: `${BAD_TOKEN}: ${token}` };
    const node = nodeName === '' ? token.node : nodeName;
    if (node === undefined) return { status: 400, body: 'header NodeName is missing: it names the node that joins' };
    if (!isNodeName(node)) return { status: 400, body: 'header NodeName is no node name: use lower-case letters, digits, "-" and "."' };
    if (token.node !== undefined && token.node !== node)
      return { status: 403, body: `the token is for node ${token.node}, not for ${node}` };
    return { by: 'token', token, node };
  }

  /** The name is looked at first, so that a refusal costs no use; what is listed is decided in the write itself. */
  async #certify(claim: Claim, { body, address }: EnrolRequest): Promise<EnrolAnswer> {
    const { lists, tokens, sign, log } = this.#options;
    const { node } = claim;
    const signed = await sign(claim.by === 'token' ? 'join' : 'renew', { node, request: body });
    const isRegistered = claim.by === 'token' && (await this.#isRegistered(node));
    const mayTake = (list: NodeList | undefined): Decision => this.#decide(claim, { list, isRegistered, key: signed.key });
    const early = mayTake(await lists.read(node));
    if (typeof early === 'string') return { status: claim.by === 'token' ? 409 : 403, body: early };
    const by = claim.by === 'token' ? claim.token.id : 'certificate';
    const spent = claim.by === 'token' ? await tokens.use(claim.token, { node, key: signed.key }) : undefined;
    if (spent !== undefined) return { status: 400, body: `${BAD_TOKEN}: ${spent}` };
    const { fingerprint, key, endsMs } = signed;
    const late = await lists.add(node, { fingerprint, key, endsMs, by }, mayTake);
    if (late !== undefined) return { status: 409, body: late };
    const facts = { node, fingerprint, by, from: address, ends: new Date(endsMs).toISOString() };
    if (claim.by === 'certificate' && claim.isEnded) log.warn('enrolment.late', { ...facts, ended: dateOf(claim.known.endsMs) });
    else log.info('enrolment.issued', facts);
    return { status: 200, body: signed.certificate };
  }

  #decide(claim: Claim, { list, isRegistered, key }: { list: NodeList | undefined; isRegistered: boolean; key: string }): Decision {
    if (claim.by === 'certificate') {
      const { known, node } = claim;
      const shown = known.fingerprint;
      if (list === undefined) return { replace: false, known: [known], shown };
      const isListed = list.certificates.some(({ fingerprint }) => fingerprint === known.fingerprint);
      return isListed ? { replace: false, known: [], shown } : `the certificate of ${node} was revoked: join again with a token`;
    }
    // Who made a token for this very name means this board: what had the name before is out.
    if (claim.token.node !== undefined) return { replace: true, known: [] };
    const now = this.#options.clock.now();
    const others = (list?.certificates ?? []).filter((other) => other.endsMs > now && other.key !== key);
    if (others.length > 0 || (list === undefined && isRegistered)) return takenText(claim.node);
    return { replace: false, known: [], forgetEnded: true };
  }

  /** A Node that was ever heard of has a certificate, even where no list tells so. One that an administrator made ahead has not. */
  async #isRegistered(name: string): Promise<boolean> {
    const node = await orNone(this.#options.api.get(nodes, { name }));
    const { conditions, nodeInfo } = (node?.['status'] ?? {}) as { conditions?: unknown[]; nodeInfo?: { kubeletVersion?: string } };
    return (conditions ?? []).length > 0 || (nodeInfo?.kubeletVersion ?? '') !== '';
  }
}

function takenText(node: string): string {
  return (
    `the name ${node} is taken by a board that has joined: choose another one with --node-name, or replace that board with a token of ` +
    `\`hivelet token create --node ${node}\`, or free the name with \`hivelet node revoke ${node}\``
  );
}

function tooLateText(node: string, { endsMs, graceMs }: { endsMs: number; graceMs: number }): string {
  const days = Math.round(graceMs / 86_400_000);
  return (
    `the certificate of ${node} ended on ${dateOf(endsMs)}, more than ${days} days ago (modules.cloudHub.certificateGrace): ` +
    `join again with a token (\`hivelet token create --node ${node}\`)`
  );
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function claimOf(
  { commonName, certificate }: Peer & { kind: 'valid' | 'expired' },
  { nodeName, nowMs, graceMs }: { nodeName: string; nowMs: number; graceMs: number },
): Claim | EnrolAnswer {
  const node = /^system:node:(.+)$/.exec(commonName)?.[1];
  if (node === undefined || !isNodeName(node))
    return { status: 403, body: `the client certificate is ${commonName}, which names no node: use a token` };
  if (nodeName !== '' && nodeName !== node) return { status: 403, body: `the client certificate is that of ${node}, not of ${nodeName}` };
  const endsMs = Date.parse(certificate.validTo);
  if (endsMs + graceMs <= nowMs) return { status: 403, body: tooLateText(node, { endsMs, graceMs }) };
  const known = {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    key: createHash('sha256')
      .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    endsMs,
    by: 'certificate',
  };
  return { by: 'certificate', known, node, isEnded: endsMs <= nowMs };
}

/** Absent = KubeEdge's default. Undefined for what is no list of numbers. */
function usagesIn(text: string): number[] | undefined {
  if (text === '') return [CLIENT_AUTH];
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.length <= 16 && value.every((each) => typeof each === 'number') ? value : undefined;
  } catch {
    return undefined;
  }
}
