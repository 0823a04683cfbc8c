/** Owns which endpoint and which kind of identity of a server a device uses, and what is said when there is none. */
import type { EndpointDescription, UserTokenPolicy } from 'node-opcua-client';
import { HiveletError } from '#beehive/errors.ts';
import type { Opcua } from './engine.ts';
import type { OpcuaLink, SecurityModeName } from './link.ts';

export interface ChosenEndpoint {
  /** DER, the server's own certificate first; empty when it shows none. */
  readonly chain: Buffer;
  readonly identity: 'anonymous' | 'password' | 'certificate';
  /** Nothing hides the password on its way. */
  readonly isPasswordPlain: boolean;
  /** What the server calls itself. */
  readonly serverName: string;
}

/** Throws DEVICE_UNREACHABLE, marked as refused, with what the server has instead. */
export function chooseEndpoint(opcua: Opcua, link: OpcuaLink, endpoints: readonly EndpointDescription[]): ChosenEndpoint {
  const policyUri = opcua.coerceSecurityPolicy(link.policy);
  const mode = modeOf(opcua, link.mode);
  const chosen = endpoints.find(({ securityPolicyUri, securityMode }) => securityPolicyUri === policyUri && securityMode === mode);
  if (chosen === undefined) {
    const others = [...new Set(endpoints.map((endpoint) => describe(opcua, endpoint)))];
    throw refused(
      link,
      `the server has no endpoint with securityPolicy ${link.policy} and securityMode ${link.mode}: it has ${others.join('; ') || 'none at all'}`,
    );
  }
  const tokens = chosen.userIdentityTokens ?? [];
  const identity = chooseIdentity(opcua, link, tokens);
  const token = tokens.find(({ tokenType }) => tokenType === opcua.UserTokenType.UserName);
  const certificate = chosen.serverCertificate;
  return {
    chain: Buffer.isBuffer(certificate) ? certificate : Buffer.alloc(0),
    identity,
    isPasswordPlain: identity === 'password' && link.mode !== 'SignAndEncrypt' && isPlain(opcua, token, policyUri),
    serverName: nameOfServer(chosen),
  };
}

export function modeOf({ MessageSecurityMode }: Opcua, mode: SecurityModeName): (typeof MessageSecurityMode)[SecurityModeName] {
  return MessageSecurityMode[mode];
}

function chooseIdentity({ UserTokenType }: Opcua, link: OpcuaLink, tokens: readonly UserTokenPolicy[]): ChosenEndpoint['identity'] {
  const takes = (type: UserTokenPolicy['tokenType']): boolean => tokens.some(({ tokenType }) => tokenType === type);
  const { kind } = link.identity;
  if (kind === 'password') {
    if (takes(UserTokenType.UserName)) return kind;
    throw refused(link, 'the server takes no user name on this endpoint: leave userName out, or choose another securityMode');
  }
  if (kind === 'certificate') {
    if (takes(UserTokenType.Certificate)) return kind;
    throw refused(link, 'the server takes no user certificate on this endpoint: leave userCertificate out, or choose another securityMode');
  }
  if (takes(UserTokenType.Anonymous)) return kind;
  // The Go mapper has one certificate for both.
  if (link.application !== undefined && takes(UserTokenType.Certificate)) return 'certificate';
  const ways = [
    takes(UserTokenType.UserName) && 'userName and password',
    takes(UserTokenType.Certificate) && 'userCertificate and userPrivateKey',
  ];
  const wanted = ways.filter((way) => way !== false).join(', or ') || 'another securityMode';
  throw refused(link, `the server lets nobody in without a user on this endpoint: write ${wanted}`);
}

/** A token policy without one of its own takes that of the endpoint. */
function isPlain({ SecurityPolicy }: Opcua, token: UserTokenPolicy | undefined, endpointPolicy: string): boolean {
  const own = token?.securityPolicyUri;
  const none: string = SecurityPolicy.None;
  return (own === undefined || own === null || own === '' ? endpointPolicy : own) === none;
}

function describe({ MessageSecurityMode }: Opcua, { securityPolicyUri, securityMode }: EndpointDescription): string {
  return `${(securityPolicyUri ?? '').replace(/^.*#/, '') || 'no policy'} with ${MessageSecurityMode[securityMode]}`;
}

function nameOfServer({ server }: EndpointDescription): string {
  return (server.applicationName.text ?? '') || (server.applicationUri ?? '');
}

function refused(link: OpcuaLink, what: string): HiveletError {
  return new HiveletError('DEVICE_UNREACHABLE', `${link.url}: ${what}`, { facts: { refused: true, standing: true } });
}
