/** Owns which QoS 2 publishes of a client were taken and not released yet: for the connection, or with the session. */
import type { AedesClient } from './aedes-inside.ts';
import type { UnreleasedIds } from './ingress.ts';
import type { SessionTable } from './sessions.ts';

/** To be asked after CONNECT only: before, it is not known whether the session is kept. */
export function unreleasedIds(client: AedesClient, sessions: SessionTable): UnreleasedIds {
  const connection = new Set<number>();
  return {
    has: (id) => (client.clean ? connection.has(id) : sessions.get(client.id)?.unreleased.has(id) === true),
    add: (id) => {
      if (client.clean) connection.add(id);
      else sessions.setUnreleased(sessions.ensure(client.id), id, null);
    },
    delete: (id) => {
      if (client.clean) return connection.delete(id);
      const session = sessions.get(client.id);
      return session !== undefined && sessions.deleteUnreleased(session, id);
    },
    get size() {
      return client.clean ? connection.size : (sessions.get(client.id)?.unreleased.size ?? 0);
    },
  };
}
