/** Owns the way out to one subscriber: one that stops reading is cut off from messages, and nobody waits for it. */
import type { AedesClient, ForwardPacket } from './aedes-inside.ts';
import type { BrokerLimits } from './limits.ts';
import type { SessionTable } from './sessions.ts';
import type { Tally } from './tally.ts';
import { matches } from './topic.ts';

export interface EgressContext {
  limits: BrokerLimits;
  tally: Tally;
  sessions: SessionTable;
}

/** Replaces two habits of aedes on a new connection. */
export function guardEgress(client: AedesClient): void {
  // The publisher would wait for the slowest subscriber.
  client.waitForDrain = (done) => {
    setImmediate(done, null, client);
  };
  // Of overlapping filters the one found first would decide; the highest QoS must [MQTT-3.3.5-1].
  const { deliver0 } = client;
  client.deliver0 = (packet, done) => {
    if (packet.qos > 0 && grantedQos(client, packet.topic) > 0) return done();
    packet.qos = 0; // a copy of this subscription's own
    deliver0(packet, done);
  };
}

/**
 * Decides about one message to one subscriber: the message to send, or null to drop it.
 * Above the soft bound of unsent bytes QoS 0 is dropped; above the hard bound the subscriber is disconnected.
 */
export function admit(client: AedesClient, packet: ForwardPacket, context: EgressContext): ForwardPacket | null {
  const { limits, tally } = context;
  const unsentBytes = client.conn.writableLength;
  if (unsentBytes > limits.hardBacklogBytes && !client.conn.destroyed) {
    tally.count('mqtt.subscriber.disconnected', { client: client.id, reason: 'does not read', unsentBytes });
    client.conn.destroy();
  }
  if (packet.qos === 0) {
    if (unsentBytes <= limits.softBacklogBytes) return packet;
    tally.count('mqtt.message.dropped', { client: client.id, topic: packet.topic, reason: 'the subscriber is slow' });
    return null;
  }
  if (!client.clean && !packet.retain) return admitQueued(client, packet, context.sessions);
  if (packet.qos === 2 && !packet.retain) packet.qos = grantedQos(client, packet.topic) === 2 ? 2 : 1;
  return packet;
}

/** QoS 1 and 2 to a persistent session: what is not in its queue did not fit. */
function admitQueued(client: AedesClient, packet: ForwardPacket, sessions: SessionTable): ForwardPacket | null {
  const message = sessions.get(client.id)?.queue.find(packet);
  if (message === undefined) return null;
  packet.dup = message.sent;
  packet.qos = message.qos;
  message.sent = true;
  return packet;
}

/** The highest QoS among the client's filters that match; aedes looks only at filters that equal the topic. */
function grantedQos(client: AedesClient, topic: string): number {
  let granted = 0;
  for (const [filter, { qos }] of Object.entries(client.subscriptions)) {
    if (qos > granted && matches(filter, topic)) granted = qos;
  }
  return granted;
}
