/** Owns the words for why there is no link to the cloud, each with what a person can do. Pure. */

/**
 * Why a link ended, where that is more than a sentence: the cloud says that our certificate has ended; it hung up on the certificate without a word;
 * our clock says too early for the cloud's.
 */
export type LostCause = 'certificate ended' | 'hung up' | 'clock' | undefined;

type Failure = Pick<NodeJS.ErrnoException, 'code' | 'message'>;

/** TLS tells it only after the handshake: an alert of the cloud. */
export function causeOf({ code = '', message }: Failure): LostCause {
  if (code === 'CERT_NOT_YET_VALID') return 'clock';
  // Node's servers send no alert: they end what they have just shaken hands with.
  if (code === 'ECONNRESET' && message === 'socket hang up') return 'hung up';
  return /ALERT_CERTIFICATE_EXPIRED$/.test(code) ? 'certificate ended' : undefined;
}

const SETTING = 'modules.edgeHub.websocket.server';

/** One sentence; `server` is the `host:port` that was dialled. */
export function explain({ code = '', message }: Failure, server: string): string {
  const host = hostOf(server);
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${server}: is \`hivelet cloud\` running there, and is ${SETTING} its address?`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name in ${server} cannot be resolved: check ${SETTING} and the name server of this board, or write an IP address`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `${server} cannot be reached from this board (${code}): check the network, firewalls and ${SETTING}`;
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return `what listens at ${server} does not speak TLS as we do: is ${SETTING} the port for boards (10000)?`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of the cloud is not for ${host}: run \`hivelet init --advertise-address ${host}\` there, or write another address of it in ${SETTING}`;
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED':
      return `the certificate of this node has ended: another one is asked for at the certificate port of ${host}`;
    case 'CERT_NOT_YET_VALID':
      return `the cloud's certificate is not valid yet: is the clock of this board right? (${message})`;
    case 'CERT_HAS_EXPIRED':
      return `the cloud's certificate has ended by the clock of this board: set the clock if it is wrong, else run \`hivelet init\` on the cloud`;
    default:
      if (STRANGER.has(code))
        return `what listens at ${server} is not the cloud that this board has joined (${message}): check ${SETTING}, or \`hivelet reset\` and join that one`;
      if (message === 'Opening handshake has timed out') return `${server} does not answer: check the network, firewalls and ${SETTING}`;
      return `the link to ${server} failed: ${message}`;
  }
}

/** Its certificate is of an authority that this board does not have. */
const STRANGER: ReadonlySet<string> = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

function hostOf(server: string): string {
  return server.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}
