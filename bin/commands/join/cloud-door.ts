/** Owns what a joining board says to the cloud's certificate port, and every way in which that fails as one sentence. */
import { X509Certificate } from 'node:crypto';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { wholeAnswer } from '../../../edge/edgehub/certificate-door.ts';

/** The certificate port of a cloud. */
export interface Door {
  host: string;
  port: number;
}

export interface Authority {
  certificate: X509Certificate;
  /** The cloud's wall clock, unix ms; undefined when it does not tell. */
  cloudNowMs: number | undefined;
}

/** A client certificate and its key, PEM. */
export interface Credential {
  cert: string;
  key: string;
}

/** What was asked was certainly not done: the cloud has refused it, or was never asked. */
export class NotDone extends HiveletError {}

const TIMEOUT_MS = 15_000;

interface Answer {
  status: number;
  body: Buffer;
  dateMs: number | undefined;
}

/** Without verification: the caller compares its hash with that of the token. */
export async function fetchAuthority(door: Door, signal: AbortSignal): Promise<Authority> {
  const { status, body, dateMs } = await ask(door, { path: '/ca.crt', rejectUnauthorized: false }, { signal });
  try {
    if (status === 200) return { certificate: new X509Certificate(body), cloudNowMs: dateMs };
  } catch {
    // Told below.
  }
  throw new HiveletError('NOT_FOUND', `what answers at ${where(door)} is no cloud of Hivelet or KubeEdge: it has no CA certificate for us`);
}

/** The certificate for a request (PKCS#10, DER). Throws NotDone with the cloud's own sentence. */
export async function fetchCertificate(
  door: Door,
  { ca, bearer, node, body }: { ca: string; bearer: string; node: string; body: Buffer },
  signal: AbortSignal,
): Promise<X509Certificate> {
  const headers = { Authorization: `Bearer ${bearer}`, NodeName: node, 'Content-Length': String(body.length) };
  const answer = await ask(door, { path: '/edge.crt', ca, headers }, { signal, body });
  if (answer.status !== 200) throw refusal(answer);
  try {
    return new X509Certificate(answer.body);
  } catch (cause) {
    throw new HiveletError('LINK_CLOSED', `the cloud at ${where(door)} answered with what is no certificate: try again`, { cause });
  }
}

/** What the cloud says of this node: Ready `True`, `False`, `Unknown`, or `absent`. */
export async function fetchNodeState(
  door: Door,
  { ca, credential }: { ca: string; credential: Credential },
  signal: AbortSignal,
): Promise<{ ready: string; message: string }> {
  const answer = await ask(door, { path: '/hivelet/node', ca, ...credential }, { signal });
  if (answer.status !== 200) throw refusal(answer);
  const { ready, message } = JSON.parse(answer.body.toString('utf8')) as { ready?: unknown; message?: unknown };
  return { ready: String(ready), message: String(message) };
}

function refusal({ status, body }: Answer): HiveletError {
  const said = body.toString('utf8').trim().split('\n')[0]?.slice(0, 500) ?? '';
  if (status >= 500 || status === 429) return new HiveletError('LINK_CLOSED', `the cloud cannot do it now: ${said || `HTTP ${status}`}`);
  const token = /^Invalid authorization token(?:: (.*))?$/.exec(said);
  if (token !== null) return new NotDone('NOT_FOUND', `the cloud refused the token: ${token[1] ?? 'it is not valid'}`);
  return new NotDone('NOT_FOUND', `the cloud refused to let this board in: ${said || `HTTP ${status}`}`);
}

function ask(door: Door, options: RequestOptions, { signal, body }: { signal: AbortSignal; body?: Buffer }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let isSent = false;
    const fail = (error: Error): void => reject(signal.aborted ? (signal.reason as Error) : explain(error, door, isSent));
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const request = httpsRequest({ ...door, ...options, agent: false, minVersion: 'TLSv1.2', signal: limit }, (response) => {
      const dateMs = Date.parse(response.headers.date ?? '');
      wholeAnswer(response).then(
        (whole) => resolve({ status: response.statusCode ?? 0, body: whole, dateMs: Number.isNaN(dateMs) ? undefined : dateMs }),
        fail,
      );
    });
    request.on('error', fail);
    // Not before the certificate of the cloud is verified.
    request.on('socket', (socket) => socket.once('secureConnect', () => (isSent = true)));
    request.end(body);
  });
}

function explain(error: Error, door: Door, isSent: boolean): HiveletError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return new (isSent ? HiveletError : NotDone)('LINK_CLOSED', sentenceOf(error, { code, door }), { cause: error });
}

function sentenceOf(error: Error, { code, door }: { code: string; door: Door }): string {
  const place = where(door);
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${place}, the cloud's certificate port: is \`hivelet cloud\` running there?`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${door.host} cannot be resolved: check --cloud, or write an IP address`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `${place} cannot be reached from this board (${code}): check the network and firewalls`;
    case 'ABORT_ERR':
      return `no answer from ${place} within ${TIMEOUT_MS / 1000} s: check the address, the network and firewalls`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the cloud's certificate is not for ${door.host}: run \`hivelet init --advertise-address ${door.host}\` there, and try again a minute later`;
    case 'CERT_HAS_EXPIRED':
      return `the cloud's certificate has ended by the clock of this board: set the clock if it is wrong, else run \`hivelet init\` on the cloud`;
    case 'EPROTO':
      return `what listens at ${place} does not speak TLS as we do: is it the cloud's certificate port?`;
    default:
      return `the cloud at ${place} could not be asked: ${messageOf(error)}`;
  }
}

function where({ host, port }: Door): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
