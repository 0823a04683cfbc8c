/** Owns the request for a certificate: a key that is made here and stays here. Imported when one is needed: the library is 10 MB of memory. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { KeyObject, createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;

x509.cryptoProvider.set(webcrypto);

/** EC P-256, PKCS#8, PEM. */
export async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  return KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** PKCS#10, DER, named as Kubernetes names nodes. */
export async function requestFor(node: string, key: string): Promise<Buffer> {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const pkcs8 = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  const [publicKey, privateKey] = await Promise.all([
    webcrypto.subtle.importKey('spki', spki, EC, true, ['verify']),
    webcrypto.subtle.importKey('pkcs8', pkcs8, EC, true, ['sign']),
  ]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [`system:node:${node}`] }],
    keys: { publicKey, privateKey },
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return Buffer.from(request.rawData);
}
