/** Owns where the board's own certificate and its key lie. */
import path from 'node:path';

/** Below the PKI folder, in the places of the OPC UA specification. */
export function ownFiles(directory: string): readonly [certificate: string, key: string] {
  return [path.join(directory, 'own', 'certs', 'hivelet.pem'), path.join(directory, 'own', 'private', 'private_key.pem')];
}
