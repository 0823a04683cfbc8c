/** Owns sending retained messages to a new subscription, at the pace of its reader. */
import { Readable } from 'node:stream';
import type { Subscription } from 'aedes';
import type { AedesClient, ForwardPacket } from './aedes-inside.ts';
import { BrokerPersistence } from './persistence.ts';
import type { RetainedMessage } from './retained.ts';

const REFUSED = 128;

/** aedes sends them at the QoS of the message and, as nobody waits for a slow reader here, all at once: we send them ourselves. */
export class AedesPersistence extends BrokerPersistence {
  override createRetainedStreamCombi(): Readable {
    return Readable.from([]);
  }
}

/** After the SUBACK. Ends early when the client leaves. */
export async function sendRetained(
  client: AedesClient,
  subscriptions: readonly Subscription[],
  persistence: BrokerPersistence,
): Promise<void> {
  for (const { topic, qos } of subscriptions) {
    if (qos >= REFUSED) continue;
    for await (const message of persistence.retained.matching(topic)) {
      if (client.conn.writableNeedDrain) await drained(client);
      if (client.closed) return;
      await new Promise<void>((resolve) => client.deliverQoS(packetFor(message, qos), resolve));
    }
  }
}

function packetFor(message: RetainedMessage, granted: number): ForwardPacket {
  const { topic, payload } = message;
  const qos = message.qos > granted ? (granted === 1 ? 1 : 0) : message.qos;
  // Without a broker it is never taken for one that was sent before.
  return { cmd: 'publish', brokerId: null, brokerCounter: 0, topic, payload, qos, retain: true, dup: false };
}

function drained({ conn }: AedesClient): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      conn.removeListener('drain', done);
      conn.removeListener('close', done);
      resolve();
    };
    conn.once('drain', done);
    conn.once('close', done);
  });
}
