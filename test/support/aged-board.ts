/** Owns boards whose certificate was issued in the past: a data directory each, as `hivelet join` would have left it then. */
import { X509Certificate, createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '#beehive/clock.ts';
import { NodeLists, type ListedCertificate } from '#cloud/enrolment/node-lists.ts';
import { issueNode } from '#cloud/pki/certificates.ts';
import { nodeFiles, type NodeFiles } from '#cloud/pki/init.ts';
import type { KubeApi } from '#cloud/store/kube-api.ts';
import { tempDir } from './temp-dir.ts';

export const DAY_MS = 24 * 60 * 60 * 1000;

export interface AgedBoard {
  node: string;
  dataDir: string;
  files: NodeFiles;
  /** What it had first. */
  first: X509Certificate;
  /** PEM. */
  firstKey: string;
  /** What its files say now. */
  certificate(): X509Certificate;
}

export interface AgedBoardOptions {
  node: string;
  /** Data directory of the cloud. */
  cloudDir: string;
  issuedDaysAgo: number;
  /** Puts it on the list of the node, as joining does. */
  api?: KubeApi;
}

/** Certificates live for 365 days. */
export async function agedBoard({ node, cloudDir, issuedDaysAgo, api }: AgedBoardOptions): Promise<AgedBoard> {
  const [certificate, key] = ['ca.crt', 'ca.key'].map((name) => readFileSync(path.join(cloudDir, 'pki', name), 'utf8')) as [string, string];
  const issued = await issueNode({ certificate, key }, { node, now: Date.now() - issuedDaysAgo * DAY_MS });
  const dataDir = tempDir();
  const files = nodeFiles(dataDir);
  mkdirSync(path.dirname(files.authority), { recursive: true });
  writeFileSync(files.authority, certificate);
  writeFileSync(files.certificate, issued.certificate);
  writeFileSync(files.key, issued.key, { mode: 0o600 });
  const first = new X509Certificate(issued.certificate);
  if (api !== undefined) await addToList({ api, node, certificate: first });
  return {
    node,
    dataDir,
    files,
    first,
    firstKey: issued.key,
    certificate: () => new X509Certificate(readFileSync(files.certificate, 'utf8')),
  };
}

export function listed(certificate: X509Certificate): ListedCertificate {
  return {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    key: createHash('sha256')
      .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    endsMs: Date.parse(certificate.validTo),
    by: 'test',
  };
}

async function addToList({ api, node, certificate }: { api: KubeApi; node: string; certificate: X509Certificate }): Promise<void> {
  const lists = new NodeLists({ api, clock: systemClock, graceMs: 1000 * DAY_MS });
  await lists.add(node, listed(certificate), () => ({ replace: false, known: [] }));
}
