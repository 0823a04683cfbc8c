/** Owns certificates of OPC UA servers for tests that need no server. */
import path from 'node:path';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { loadEngine } from '#mappers/opcua/engine.ts';
import { thumbprintOf } from '#mappers/opcua/trust-list.ts';

/** Self-signed, for localhost, ten years from 2026 on. */
export async function makeServerCertificate(directory: string, name: string): Promise<{ der: Buffer; thumbprint: string }> {
  const { certificates } = await loadEngine();
  const manager = new certificates.OPCUACertificateManager({ rootFolder: directory, disableFileWatchers: true });
  const outputFile = path.join(directory, 'server.pem');
  await manager.initialize();
  await manager.createSelfSignedCertificate({
    applicationUri: 'urn:test',
    dns: ['localhost'],
    ip: ['127.0.0.1'],
    outputFile,
    subject: `/CN=${name}`,
    startDate: new Date('2026-01-01T00:00:00Z'),
    validity: 3650,
  });
  await manager.dispose();
  const der = new X509Certificate(await readFile(outputFile)).raw;
  return { der, thumbprint: thumbprintOf(der) };
}
