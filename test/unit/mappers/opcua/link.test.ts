/** Proves how a device's protocol block of any generation becomes an OPC UA link. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError } from '#beehive/errors.ts';
import { opcuaLinkKey, readOpcuaLink } from '#mappers/opcua/link.ts';

const url = 'opc.tcp://192.0.2.4:4840/line';

function refusal(block: Record<string, unknown>): string {
  try {
    readOpcuaLink(block, 'spec.protocol');
  } catch (error) {
    assert.ok(isHiveletError(error, 'PROFILE_INVALID'));
    return error.message;
  }
  return '';
}

test('a url alone is an unsecured channel without a user, as in KubeEdge', () => {
  assert.equal(readOpcuaLink({ url }, 'spec.protocol'), {
    url,
    host: '192.0.2.4',
    policy: 'None',
    mode: 'None',
    identity: { kind: 'anonymous' },
    anyHostName: false,
    timeoutMs: 5000,
  });
});

test('policies and modes are known in every spelling, and one of both means the usual other', () => {
  const security = (securityPolicy?: string, securityMode?: string): string => {
    const { policy, mode } = readOpcuaLink(
      { url, ...(securityPolicy === undefined ? {} : { securityPolicy }), ...(securityMode === undefined ? {} : { securityMode }) },
      '',
    );
    return `${policy} ${mode}`;
  };
  assert.is(security('Aes128Sha256RsaOaep', 'Sign'), 'Aes128_Sha256_RsaOaep Sign');
  assert.is(security('aes256_sha256_rsapss', 'signAndEncrypt'), 'Aes256_Sha256_RsaPss SignAndEncrypt');
  assert.is(security('http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256', 'SIGN'), 'Basic256Sha256 Sign');
  assert.is(security('Basic256Sha256'), 'Basic256Sha256 SignAndEncrypt');
  assert.is(security(undefined, 'Sign'), 'Basic256Sha256 Sign');
  assert.is(security('None'), 'None None');
  assert.is(security('', ''), 'None None');
});

test('a user has a password by reference, and what is beside the block counts too', () => {
  const link = readOpcuaLink(
    {
      configData: { URL: url, userName: 'joe', password: 'secret:plant/press#password' },
      common: { customizedValues: { anyHostName: 'true' } },
    },
    'spec.protocol',
  );
  assert.equal(link.identity, {
    kind: 'password',
    userName: 'joe',
    password: { reference: 'secret:plant/press#password', path: 'spec.protocol.configData.password' },
  });
  assert.is(link.anyHostName, true);
});

test('a user certificate is an identity of its own; certificate and privateKey are the channel', () => {
  const { identity, application } = readOpcuaLink(
    { url, certificate: 'a.pem', privateKey: 'a.key', userCertificate: 'u.pem', userPrivateKey: 'u.key' },
    'p',
  );
  assert.is(identity.kind, 'certificate');
  assert.is(application?.certificate.reference, 'a.pem');
});

test('timeout is seconds up to a minute and milliseconds above', () => {
  const ms = (timeout: unknown): number => readOpcuaLink({ url, timeout }, '').timeoutMs;
  assert.equal([ms(3), ms('60'), ms(1500), ms(0)], [3000, 60_000, 1500, 5000]);
});

test('what cannot be used is refused with field and remedy', () => {
  assert.match(refusal({}), /^spec\.protocol\.url: is missing; add the server's endpoint/);
  assert.match(refusal({ url: 'http://x' }), /^spec\.protocol\.url: "http:\/\/x" is no endpoint: write opc\.tcp:/);
  assert.match(refusal({ url: 'opc.tcp://joe:secret@host:4840' }), /is no endpoint/);
  assert.match(refusal({ url, securityPolicy: 'Basic512' }), /securityPolicy: "Basic512" is not known: write one of None, Basic128Rsa15/);
  assert.match(refusal({ url, securityPolicy: 'None', securityMode: 'Sign' }), /securityMode: "Sign" does not go with securityPolicy None/);
  assert.match(refusal({ url, certificate: 'a.pem' }), /certificate: stands alone; add privateKey/);
  assert.match(
    refusal({ url, userName: 'joe', userCertificate: 'a', userPrivateKey: 'b' }),
    /userName: "joe" stands beside userCertificate/,
  );
  assert.match(refusal({ url, timeout: 'soon' }), /timeout: "soon" is no time-out/);
});

test('devices share a session only with the same server, security and identity, and the key tells no secret', () => {
  const key = (block: object): string => opcuaLinkKey(readOpcuaLink({ url, ...block }, 'p'));
  const joe = { userName: 'joe', password: 'hunter2' };
  assert.is(key(joe), key({ ...joe }));
  assert.is(new Set([key({}), key(joe), key({ ...joe, password: 'other' }), key({ securityMode: 'Sign' })]).size, 4);
  assert.not.match(key(joe), /hunter2/);
});

test.run();
