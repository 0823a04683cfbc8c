/** Owns `hivelet watch`: twins or uploads as they change, one line each. */
import type { Command, Invocation } from './command.ts';
import { accessFlags, openTwins } from './twins/access.ts';
import { seenText } from './twins/seen.ts';
import type { Seen, UploadSeen } from './twins/source.ts';

export const command: Command = {
  usage: ['watch [DEVICE...]', 'watch uploads'],
  about: [
    'Prints what is there, then a line for each change, until it is stopped. `watch uploads` prints what apps send up through the edge.',
  ],
  flags: {
    ...accessFlags,
    last: { type: 'string', value: 'N', help: 'uploads of the past to print first (default 10; from the cloud only)' },
    hub: { type: 'string', value: 'URL', help: 'HTTPS service of cloudcore, for uploads (default: host of the API, port 10002)' },
    json: { type: 'boolean', help: 'one JSON object a line' },
  },
  async run(invocation) {
    const { args, signal } = invocation;
    const { source } = await openTwins(invocation);
    try {
      if (args.length === 1 && args[0] === 'uploads') await source.uploads((upload) => printUpload(upload, invocation), signal);
      else await source.watch(args, (change) => printChange(change, invocation), signal);
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      throw error;
    } finally {
      await source.close();
    }
  },
};

function printChange(change: Seen, { io, flags, clock }: Invocation): void {
  const at = new Date(clock.now()).toISOString();
  io.out(flags.has('json') ? JSON.stringify({ at, ...change }) : `${at.slice(11, 23)} ${seenText(change)}`);
}

function printUpload(upload: UploadSeen, { io, flags }: Invocation): void {
  if (flags.has('json')) return io.out(JSON.stringify(upload));
  const at = upload.atMs === undefined ? '' : `${new Date(upload.atMs).toISOString().slice(11, 23)} `;
  io.out(`${at}${upload.node === '' ? '' : `${upload.node} `}${upload.topic} ${upload.payload}`);
}
