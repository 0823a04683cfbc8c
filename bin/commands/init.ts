/** Owns `hivelet init`: authority, certificates, the admin's kubeconfig. */
import path from 'node:path';
import { initCloud, readAdminAccess, type InitReport, type Outcome } from '../../cloud/pki/init.ts';
import { readKubeconfig, writeKubeconfig } from '../../cloud/store/kubeconfig/file.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { handOver } from './owner.ts';
import { nodeOf, splitSettings } from './parts.ts';

export const command: Command = {
  usage: ['init [--advertise-address ADDRESS]... [--node NAME] [--force-renew]'],
  about: [
    'Makes what the cloud side needs, below the data directory: an authority, the certificates of hub and API server, the token of the admin and a',
    'kubeconfig with it. Run again, it keeps what is good and renews what is due. `hivelet up` and `hivelet cloud` do it by themselves.',
    'What root makes belongs to the owner of the data directory, so that a service of that user can read it.',
  ],
  flags: {
    'advertise-address': {
      type: 'string',
      multiple: true,
      value: 'ADDRESS',
      help: 'DNS name or IP address by which boards and kubectl reach this machine',
    },
    node: {
      type: 'string',
      value: 'NAME',
      help: 'make the certificate of a board on this machine too (a bare --node= takes its configured name)',
    },
    server: { type: 'string', value: 'URL', help: 'of the API server, for the kubeconfig (default https://127.0.0.1:6443)' },
    'force-renew': { type: 'boolean', help: 'issue certificates and keys anew that are not due yet; the authority stays' },
  },
  async run(invocation) {
    const { args, flags, io, clock, dataDir } = invocation;
    expectArgs(args, { least: 0, most: 0, what: '`hivelet init` takes flags only' });
    const node = nodeIn(invocation);
    const report = await initCloud({
      dataDir,
      advertise: flags.texts('advertise-address'),
      clock,
      forceRenew: flags.has('force-renew'),
      ...(node === undefined ? {} : { nodeName: node }),
    });
    const kubeconfig = await bringKubeconfig(dataDir, flags.text('server'));
    handOver(dataDir, filesOf(dataDir, report));
    const outcomes = [...report.outcomes, kubeconfig];
    for (const outcome of outcomes) io.out(outcomeText(outcome));
    if (outcomes.every(({ action }) => action === 'kept')) io.out('Nothing was changed: all of it is good.');
    if (outcomes.some(({ action }) => action === 'renewed')) io.out('A running cloud takes renewed certificates over within a minute.');
    io.out(`For kubectl: export KUBECONFIG=${kubeconfig.file}`);
    return 0;
  },
};

function nodeIn({ flags }: Invocation): string | undefined {
  const named = flags.text('node');
  return named === '' ? nodeOf(splitSettings(flags.texts('config'), flags.texts('set')).edge) : named;
}

/** Written only where it would say something else: a running API may have another port than the default. */
async function bringKubeconfig(dataDir: string, wanted: string | undefined): Promise<Outcome> {
  const file = path.join(dataDir, 'kubeconfig');
  const { authority, token } = await readAdminAccess(dataDir);
  const present = accessIn(file);
  const server = wanted ?? present?.server ?? 'https://127.0.0.1:6443';
  if (present?.server === server && present.ca === authority && present.token === token) return { file, action: 'kept' };
  writeKubeconfig(file, { server, ca: authority, token });
  return present === undefined ? { file, action: 'created' } : { file, action: 'renewed', reason: 'it said something else' };
}

function accessIn(file: string): { server: string; ca: string | undefined; token: string | undefined } | undefined {
  try {
    const { server, ca, token } = readKubeconfig(file);
    return { server, ca, token: token?.() };
  } catch {
    // There is none yet, or none that can be used.
    return undefined;
  }
}

/** With their folders. */
function filesOf(dataDir: string, { outcomes }: InitReport): string[] {
  const files = [...outcomes.map(({ file }) => file), path.join(dataDir, 'kubeconfig')];
  return [...new Set([path.join(dataDir, 'edge'), ...files.map((file) => path.dirname(file)), ...files])];
}

function outcomeText({ action, file, reason }: Outcome): string {
  return `${action.padEnd(7)} ${file}${reason === undefined ? '' : ` (${reason})`}`;
}
