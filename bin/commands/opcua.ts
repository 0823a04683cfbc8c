/** Owns `hivelet opcua`: which servers' certificates the board trusts, and its own one for their trust lists. */
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { ownFiles } from '../../mappers/opcua/own-files.ts';
import { readCertificate, thumbprintOf, TrustList, type ListedCertificate } from '../../mappers/opcua/trust-list.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { handOver } from './owner.ts';
import { columns } from './twins/columns.ts';

export const command: Command = {
  usage: ['opcua trust', 'opcua trust THUMBPRINT|FILE...', 'opcua trust --reject THUMBPRINT...'],
  about: [
    'Without arguments: certificates of OPC UA servers that are trusted, those that wait because a server showed them and nobody decided, and the',
    "board's own, which a server may want in its trust list. Compare the thumbprint with the one that the server itself shows, then trust it; a file",
    '(PEM or DER) may be trusted before the server was met. Devices connect by themselves within half a minute; a rejected one is cut off as soon.',
  ],
  flags: {
    reject: { type: 'boolean', help: 'trust them no longer' },
    json: { type: 'boolean', help: 'list: the same as JSON' },
  },
  async run(invocation) {
    const { args, flags, dataDir, io } = invocation;
    const [verb, ...wanted] = args;
    if (verb !== 'trust') throw new HiveletError('USAGE', 'write opcua trust, opcua trust THUMBPRINT or opcua trust --reject THUMBPRINT');
    expectArgs(wanted, { least: flags.has('reject') ? 1 : 0, most: 100, what: '`hivelet opcua trust --reject` takes thumbprints' });
    const directory = path.join(dataDir, 'edge', 'pki', 'opcua');
    const list = new TrustList(directory);
    if (wanted.length === 0) return show(invocation, list, directory);
    for (const each of wanted) {
      const decided = flags.has('reject') ? await list.reject(each) : await decide(list, each);
      handOver(dataDir, [directory, path.dirname(path.dirname(decided.file)), path.dirname(decided.file), decided.file]);
      io.out(`${decided.trust === 'trusted' ? 'trusted' : 'rejected'}: ${decided.name} (${decided.thumbprint})`);
    }
    return 0;
  },
};

/** A thumbprint is hexadecimal; anything else is a file. */
function decide(list: TrustList, wanted: string): Promise<ListedCertificate> {
  return /^[0-9a-f\s:]+$/i.test(wanted) ? list.trust(wanted) : list.trustFile(path.resolve(wanted));
}

async function show({ flags, io }: Invocation, list: TrustList, directory: string): Promise<number> {
  const listed = await list.list();
  const [file] = ownFiles(directory);
  const own = await readCertificate(file);
  if (flags.has('json')) {
    const shown = own === undefined ? null : { thumbprint: thumbprintOf(own.raw), file };
    io.out(JSON.stringify({ own: shown, servers: listed }, undefined, 2));
    return 0;
  }
  if (listed.length === 0) io.out('no server has shown a certificate yet, and none is trusted');
  else
    for (const line of columns(
      ['TRUST', 'THUMBPRINT', 'NAME', 'HOSTS', 'VALID TO'],
      listed.map(({ trust, thumbprint, name, hosts, validTo }) => [trust, thumbprint, name, hosts.join(' '), validTo.slice(0, 10)]),
    ))
      io.out(line);
  io.out(own === undefined ? 'own: made with the first OPC UA device' : `own: ${thumbprintOf(own.raw)} ${file}`);
  return 0;
}
