/** Owns what the status codes of OPC UA mean: a sentence for a person, and whether to try again. Pure. */
import { HiveletError, isHiveletError, messageOf, type ErrorCode } from '#beehive/errors.ts';

/** refused: another value, node or right is needed. busy: later it may work. away: the server, or what is behind it, does not answer. */
type Meaning = readonly [kind: 'refused' | 'busy' | 'away', text: string];

const meanings: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['BadNodeIdUnknown', ['refused', 'the server has no such node: look it up with hivelet discover opcua']],
  ['BadNodeIdInvalid', ['refused', 'the server does not take this as a node id']],
  ['BadNodeIdRejected', ['refused', 'the server does not take this node id']],
  ['BadNoMatch', ['refused', 'no node has these browse names']],
  ['BadBrowseNameInvalid', ['refused', 'the server does not take these browse names']],
  ['BadAttributeIdInvalid', ['refused', 'the node is no variable, so it has no value: name the variable below it']],
  ['BadIndexRangeNoData', ['refused', 'the list has no such element']],
  ['BadNotReadable', ['refused', 'the server lets nobody read this node']],
  ['BadNotWritable', ['refused', 'the server lets nobody write this node']],
  ['BadWriteNotSupported', ['refused', 'the server does not take a value alone for this node']],
  ['BadTypeMismatch', ['refused', 'the node takes another data type']],
  ['BadOutOfRange', ['refused', 'the value is outside what the device takes']],
  ['BadUserAccessDenied', ['refused', 'the user of this session may not do that']],
  ['BadSecurityModeInsufficient', ['refused', 'the server allows that only on an encrypted channel: write securityMode SignAndEncrypt']],
  ['BadLocked', ['busy', 'another client has locked the node']],
  ['BadInvalidArgument', ['refused', 'the server does not take this value']],
  ['BadEncodingLimitsExceeded', ['refused', 'the value is too large for the server']],
  ['BadRequestTooLarge', ['refused', 'the value is too large for the server']],
  ['BadDataTypeIdUnknown', ['refused', 'the server does not know the data type']],
  ['BadNotSupported', ['refused', 'the server cannot do that with this node']],
  ['BadServiceUnsupported', ['refused', 'the server does not have this service']],
  ['BadNotImplemented', ['refused', 'the server does not have this service']],
  ['BadConfigurationError', ['refused', 'the server is set up wrongly for this node']],
  ['BadWaitingForInitialData', ['busy', 'the server has no value yet']],
  ['BadNoData', ['busy', 'the server has no value yet']],
  ['BadDataUnavailable', ['busy', 'the server has no value at present']],
  ['BadDataLost', ['busy', 'the server has lost the value']],
  ['BadOutOfService', ['busy', 'the data source is switched off']],
  ['BadSensorFailure', ['busy', 'the sensor behind the server has failed']],
  ['BadDeviceFailure', ['busy', 'the device behind the server has failed']],
  ['BadNotConnected', ['busy', 'the server never reached the device behind it']],
  ['BadNoCommunication', ['busy', 'the server does not reach the device behind it']],
  ['BadResourceUnavailable', ['busy', 'the server has no means for it now']],
  ['BadOutOfMemory', ['busy', 'the server is out of memory']],
  ['BadTooManyOperations', ['busy', 'the server does less at once']],
  ['BadTcpServerTooBusy', ['busy', 'the server is too busy']],
  ['BadServerTooBusy', ['busy', 'the server is too busy']],
  ['BadInternalError', ['busy', 'the server failed inside']],
  ['BadUnexpectedError', ['busy', 'the server failed inside']],
  ['BadInvalidState', ['busy', 'the server cannot do it in its present state']],
  ['BadTooManySessions', ['away', 'the server has no session left: close another client']],
  ['BadMaxConnectionsReached', ['away', 'the server takes no more connections: close another client']],
  ['BadServerHalted', ['away', 'the server is stopped']],
  ['BadShutdown', ['away', 'the server is shutting down']],
  ['BadTimeout', ['away', 'the server did not answer in time']],
  ['BadRequestTimeout', ['away', 'the server did not answer in time']],
  ['BadCommunicationError', ['away', 'the connection failed']],
  ['BadConnectionClosed', ['away', 'the server closed the connection']],
  ['BadSecureChannelClosed', ['away', 'the server closed the connection']],
  ['BadSecureChannelIdInvalid', ['away', 'the server no longer knows the connection']],
  ['BadSessionClosed', ['away', 'the server closed the session']],
  ['BadSessionIdInvalid', ['away', 'the server no longer knows the session']],
  ['BadSessionNotActivated', ['away', 'the server no longer knows the session']],
  ['BadIdentityTokenRejected', ['refused', 'the server does not take this user: check userName and password, or the user certificate']],
  ['BadIdentityTokenInvalid', ['refused', 'the server cannot read the identity: check userName and password, or the user certificate']],
  ['BadCertificateUntrusted', ['refused', 'the server does not trust our certificate: add it to the trust list of the server']],
  ['BadSecurityChecksFailed', ['refused', 'the server does not accept our certificate: add it to the trust list of the server']],
  ['BadCertificateInvalid', ['refused', 'the server does not accept our certificate']],
  ['BadCertificateTimeInvalid', ['refused', 'our certificate is not valid now by the clock of the server']],
  ['BadCertificateUriInvalid', ['refused', 'our certificate names another application uri than we do']],
  ['BadCertificateUseNotAllowed', ['refused', 'our certificate is not made for this use']],
  ['BadSecurityPolicyRejected', ['refused', 'the server does not have this securityPolicy']],
  ['BadSecurityModeRejected', ['refused', 'the server does not have this securityMode']],
  ['BadTcpEndpointUrlInvalid', ['refused', 'the server has no endpoint with this path']],
  ['UncertainLastUsableValue', ['busy', 'the last value that the server got']],
  ['UncertainNoCommunicationLastUsableValue', ['busy', 'the last value before the device behind the server was lost']],
  ['UncertainSensorNotAccurate', ['busy', 'the sensor is at its limit or out of calibration']],
  ['UncertainEngineeringUnitsExceeded', ['busy', 'the value is outside the range of its sensor']],
  ['UncertainSubNormal', ['busy', 'made of fewer good sources than needed']],
  ['UncertainInitialValue', ['busy', 'the initial value, not yet a measured one']],
  ['UncertainSubstituteValue', ['busy', 'entered by hand']],
  ['UncertainSimulatedValue', ['busy', 'a simulated value']],
]);

/** "BadTypeMismatch: the node takes another data type"; the name alone for codes that say all by it. */
export function statusText(name: string): string {
  const meaning = meanings.get(name);
  return meaning === undefined ? name : `${name}: ${meaning[1]}`;
}

/** Whether the answer is about one request only; others mean that the server has to be reached anew. */
export function isAway(name: string): boolean {
  return meanings.get(name)?.[0] === 'away';
}

/** What a failed write of a node is to the host. */
export function writeFailure(nodeId: string, status: string): HiveletError {
  return new HiveletError(codeOf(status), `${nodeId}: ${statusText(status)}`, { facts: { status, why: statusText(status) } });
}

function codeOf(status: string): ErrorCode {
  switch (meanings.get(status)?.[0]) {
    case 'busy':
      return 'DEVICE_BUSY';
    case 'away':
      return 'DEVICE_UNREACHABLE';
    case 'refused':
    case undefined:
      return 'POINT_REJECTED';
  }
}

/** The status that a failed call of the client carries somewhere in its error; undefined when it has none. */
export function statusOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { response, statusCode } = error as { response?: { responseHeader?: { serviceResult?: Named } }; statusCode?: Named };
  const named = response?.responseHeader?.serviceResult?.name ?? statusCode?.name;
  if (named !== undefined && named !== 'Good') return named;
  const [found] = /\b(?:Bad|Uncertain)[A-Z][A-Za-z]+/.exec(messageOf(error)) ?? [];
  return found;
}

interface Named {
  name?: string;
}

/** A call that failed as a whole: `url` in front, a status as a sentence, which `texts` may know better. Errors of ours stay what they are. */
export function callFailure(url: string, error: unknown, texts: ReadonlyMap<string, string> = new Map()): HiveletError {
  if (isHiveletError(error)) return error;
  const status = statusOf(error);
  const better = texts.get(status ?? '');
  const text = status === undefined ? plainText(error) : better === undefined ? statusText(status) : `${status}: ${better}`;
  const refused = status === undefined ? {} : { facts: { status, ...(isAway(status) ? {} : { refused: true, standing: true }) } };
  return new HiveletError('DEVICE_UNREACHABLE', `${url}: ${text}`, { cause: error, ...refused });
}

/** The library writes lines of advice into its messages; a person needs the first reason. */
function plainText(error: unknown): string {
  const message = messageOf(error);
  const [network] =
    /\b(?:connect )?(?:ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ECONNRESET|ENOTFOUND|EAI_AGAIN)\b[^\n)]*/.exec(message) ?? [];
  if (network !== undefined) return network.includes('ECONNREFUSED') ? `${network.trim()}: nothing listens there` : network.trim();
  if (/timed? ?out/i.test(message)) return 'the server did not answer in time';
  return (message.split('\n')[0] ?? '').trim().slice(0, 300);
}
