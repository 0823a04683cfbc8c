/** Owns the way out to one subscriber: one that stops reading is cut off from messages, and nobody waits for it. */
import type { AedesClient, ForwardPacket } from './aedes-inside.ts';
import type { BrokerLimits } from './limits.ts';
import type { Tally } from './tally.ts';
import { matches } from './topic.ts';

/** aedes lets the publisher wait for the slowest subscriber; here a write never waits. */
export function neverWait(client: AedesClient): void {
  client.waitForDrain = (done) => {
    setImmediate(done, null, client);
  };
}

/**
 * Decides about one message to one subscriber: the message to send, or null to drop it.
 * Above the soft bound of unsent bytes QoS 0 is dropped; above the hard bound the subscriber is disconnected.
 */
export function admit(client: AedesClient, packet: ForwardPacket, context: { limits: BrokerLimits; tally: Tally }): ForwardPacket | null {
  const { limits, tally } = context;
  const backlog = client.conn.writableLength;
  if (backlog > limits.softBacklogBytes) {
    if (backlog > limits.hardBacklogBytes) {
      tally.count('mqtt.subscriber.disconnected', { client: client.id, reason: 'does not read', unsentBytes: backlog });
      client.conn.destroy();
      return null;
    }
    if (packet.qos === 0) {
      tally.count('mqtt.message.dropped', { client: client.id, topic: packet.topic, reason: 'subscriber is slow' });
      return null;
    }
  }
  if (packet.qos === 2) packet.qos = grantedQos(client, packet);
  return packet;
}

/** aedes lowers the QoS only for filters that equal the topic. */
function grantedQos(client: AedesClient, packet: ForwardPacket): 0 | 1 | 2 {
  let granted = 0;
  for (const [filter, { qos }] of Object.entries(client.subscriptions)) {
    if (qos > granted && matches(filter, packet.topic)) granted = qos;
  }
  return granted === 2 ? 2 : 1;
}
