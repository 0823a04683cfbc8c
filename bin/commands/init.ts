/** Owns `hivelet init`: authority, certificates, the admin's kubeconfig. */
import path from 'node:path';
import { initCloud, readAdminAccess, type Outcome } from '../../cloud/pki/init.ts';
import { readKubeconfig, writeKubeconfig } from '../../cloud/store/kubeconfig/file.ts';
import { expectArgs, type Command } from './command.ts';
import { nodeOf, splitSettings } from './parts.ts';

export const command: Command = {
  usage: ['init [--advertise-address ADDRESS]... [--node NAME]'],
  about: [
    'Makes what the cloud side needs, below the data directory: an authority, the certificates of hub and API server, the token of the admin and a',
    'kubeconfig with it. Run again, it keeps what is good and renews what is due. `hivelet up` does it by itself.',
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
  },
  async run({ args, flags, io, clock, dataDir }) {
    expectArgs(args, { least: 0, most: 0, what: '`hivelet init` takes flags only' });
    const named = flags.text('node');
    const node = named === '' ? nodeOf(splitSettings(flags.texts('config'), flags.texts('set')).edge) : named;
    const { outcomes } = await initCloud({
      dataDir,
      advertise: flags.texts('advertise-address'),
      clock,
      ...(node === undefined ? {} : { nodeName: node }),
    });
    const kubeconfig = path.join(dataDir, 'kubeconfig');
    const { authority, token } = await readAdminAccess(dataDir);
    const server = flags.text('server') ?? serverIn(kubeconfig) ?? 'https://127.0.0.1:6443';
    writeKubeconfig(kubeconfig, { server, ca: authority, token });
    for (const outcome of outcomes) io.out(outcomeText(outcome));
    io.out(`written ${kubeconfig}`);
    io.out(`For kubectl: export KUBECONFIG=${kubeconfig}`);
    return 0;
  },
};

/** Where the API was before: a running one may have another port than the default. */
function serverIn(kubeconfig: string): string | undefined {
  try {
    return readKubeconfig(kubeconfig).server;
  } catch {
    // There is none yet.
    return undefined;
  }
}

function outcomeText({ action, file, reason }: Outcome): string {
  return `${action.padEnd(7)} ${file}${reason === undefined ? '' : ` (${reason})`}`;
}
