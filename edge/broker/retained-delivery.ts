/** Owns sending retained messages to a new subscription, at the pace of its reader. */
import { Readable } from 'node:stream';
import type { Subscription } from 'aedes';
import type { AedesClient, ForwardPacket } from './aedes-inside.ts';
import type { Egress } from './egress.ts';
import { BrokerPersistence } from './persistence.ts';
import type { RetainedMessage, RetainedTable } from './retained.ts';

const REFUSED = 128;
/** Below the bound at which QoS 0 is dropped. */
const AHEAD_BYTES = 64 * 1024;
const PER_TURN = 100;

/** aedes sends them at the QoS of the message and, as nobody waits for a slow reader here, all at once: we send them ourselves. */
export class AedesPersistence extends BrokerPersistence {
  override createRetainedStreamCombi(): Readable {
    return Readable.from([]);
  }
}

/** After the SUBACK. Ends early when the client leaves. */
export async function sendRetained(
  { client, egress }: { client: AedesClient; egress: Egress },
  subscriptions: readonly Subscription[],
  retained: RetainedTable,
): Promise<void> {
  let inTurn = 0;
  for (const { topic, qos } of subscriptions) {
    if (qos >= REFUSED) continue;
    for await (const message of retained.matching(topic)) {
      if (egress.unsentBytes > AHEAD_BYTES || ++inTurn === PER_TURN) {
        inTurn = 0;
        await endOfTurn();
        while (client.conn.writableNeedDrain && !client.conn.destroyed) await drained(client);
      }
      if (client.closed) return;
      client.deliverQoS(packetFor(message, qos), () => undefined);
    }
  }
}

function packetFor(message: RetainedMessage, granted: number): ForwardPacket {
  const { topic, payload } = message;
  const qos = message.qos > granted ? (granted === 1 ? 1 : 0) : message.qos;
  // Without a broker it is never taken for one that was sent before.
  return { cmd: 'publish', brokerId: null, brokerCounter: 0, topic, payload, qos, retain: true, dup: false };
}

function endOfTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
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
