/** Owns `hivelet reset`: the board is no longer a node. What devices it had, and their values, stay. */
import { createInterface } from 'node:readline/promises';
import { HiveletError } from '#beehive/errors.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { boardFiles, joinedAs, undoJoin } from './join/board-files.ts';
import { hasSystemd, removeService, thisHost } from './join/service.ts';

export const command: Command = {
  usage: ['reset [--yes]'],
  about: [
    'Undoes `hivelet join`: stops and removes the service, removes certificate, key and authority, and puts edgecore.yaml back as it was. The database',
    'with devices and values stays. On the cloud, `hivelet node revoke NAME` or `kubectl delete node NAME` frees the name.',
  ],
  flags: { yes: { type: 'boolean', short: 'y', help: 'do not ask' } },
  async run(invocation) {
    const { args, flags, io, dataDir } = invocation;
    expectArgs(args, { least: 0, most: 0, what: '`hivelet reset` takes flags only' });
    const files = boardFiles(dataDir);
    const joined = await joinedAs(files);
    if (!flags.has('yes') && !(await confirmed(invocation, joined?.node))) {
      io.out('nothing was changed');
      return 1;
    }
    const host = thisHost(invocation.env);
    if (hasSystemd(host) && host.uid === 0 && (await removeService(host))) io.out('stopped and removed the service');
    const gone = await undoJoin(files);
    for (const file of gone) io.out(`undone  ${file}`);
    if (gone.length === 0) io.out('this board had not joined: nothing was changed');
    else
      io.out(
        `the board is no longer ${joined === undefined ? 'a node' : `node ${joined.node}; to free the name: hivelet node revoke ${joined.node} (on the cloud)`}`,
      );
    return 0;
  },
};

async function confirmed({ signal }: Invocation, node: string | undefined): Promise<boolean> {
  if (!process.stdin.isTTY) throw new HiveletError('USAGE', 'there is no terminal to ask at: write hivelet reset --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const what = node === undefined ? 'Undo a join on this board' : `Take the certificate of node ${node} from this board`;
    return /^y(es)?$/i.test((await terminal.question(`${what}? [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
}
