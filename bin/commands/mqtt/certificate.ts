/** Owns `hivelet mqtt certificate`: makes or renews what the broker's TLS listeners show, and says how devices get to trust it. */
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { checkedAddress } from '../../../cloud/pki/init.ts';
import type { Invocation } from '../command.ts';
import { handOver } from '../owner.ts';
import { nodeOf, splitSettings } from '../parts.ts';
import { brokerFiles, ensureBrokerCertificate, type BrokerFiles } from './broker-certificate.ts';

export async function makeCertificate({ flags, io, clock, dataDir }: Invocation, names: readonly string[]): Promise<void> {
  const made = await ensureBrokerCertificate({
    dataDir,
    node: nodeOf(splitSettings(flags.texts('config'), flags.texts('set')).edge),
    clock,
    addresses: names.map(checkedAddress),
    renew: flags.has('renew'),
  });
  if (made === undefined) {
    const { certificate, key } = brokerFiles(dataDir).server;
    throw new HiveletError('USAGE', `${certificate} is one of yours, which stays as it is: remove it and ${key} to get another one`);
  }
  handOver(dataDir, withFolders(made.files));
  for (const { action, file, reason } of made.outcomes) io.out(`${action.padEnd(7)} ${file}${reason === undefined ? '' : ` (${reason})`}`);
  io.out(`The broker is known as ${made.addresses.join(', ')}; more names are arguments of this command.`);
  io.out(`Devices trust it by ${made.files.authority.certificate}. A running edge takes a renewed certificate over within the hour.`);
}

/** Everything that root may have made. */
export function withFolders({ authority, server }: BrokerFiles): string[] {
  const folder = path.dirname(server.certificate);
  return [path.dirname(folder), folder, authority.certificate, authority.key, server.certificate, server.key];
}
