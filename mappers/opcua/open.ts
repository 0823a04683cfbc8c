/** Owns the way from a link to a connection that the host can use. */
import { OpcuaConnection } from './connection.ts';
import { dial, type DialOptions } from './dial.ts';
import { ServerLink } from './server-link.ts';

/** Throws as `dial` does. Whatever fails, nothing stays open. */
export async function openServer(options: DialOptions): Promise<OpcuaConnection> {
  const { link, context } = options;
  const { clock, log, signal } = context;
  const dialled = await dial(options);
  const server = new ServerLink({ dialled, url: link.url, timeoutMs: link.timeoutMs, clock, log });
  const connection = new OpcuaConnection(server, { clock, log });
  try {
    await connection.begin(signal);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}
