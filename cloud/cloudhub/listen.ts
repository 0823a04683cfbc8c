/** Owns taking a port: a taken one is told in a sentence. */
import type { Server } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';

/** Throws PORT_IN_USE or CONFIG_INVALID with the address. */
export async function listenOn(server: Server, { host, port, setting }: { host: string; port: number; setting: string }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = cause.code === 'EADDRINUSE';
      const message = taken
        ? `port ${port} of ${host} is already taken: choose another one with ${setting}`
        : `cannot listen on ${host}:${port} (${setting}): ${cause.message}`;
      reject(new HiveletError(taken ? 'PORT_IN_USE' : 'CONFIG_INVALID', message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error');
}
