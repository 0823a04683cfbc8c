/** Owns what each connected client may do: who it is since CONNECT, its topics, its pace; and who has to leave when accounts change. */
import type { ConnectPacket, Subscription } from 'aedes';
import type { Clock } from '#beehive/clock.ts';
import { messageOf } from '#beehive/errors.ts';
import type { AccountBook } from './account-file.ts';
import type { AedesClient } from './aedes-inside.ts';
import { accountOf, Gatekeeper, Refusal, type Admitted } from './gatekeeper.ts';
import type { BrokerLimits } from './limits.ts';
import type { Visitor } from './listener.ts';
import { Pace } from './pace.ts';
import { nothing, type Rights } from './rights.ts';
import type { SessionTable } from './sessions.ts';
import type { Tally } from './tally.ts';
import { filterFault, topicFault } from './topic.ts';

export interface GuardDeps {
  clock: Clock;
  tally: Tally;
  limits: BrokerLimits;
  book: AccountBook;
  sessions: SessionTable;
}

interface Guest {
  readonly visitor: Visitor;
  admitted: Admitted | undefined;
  pace: Pace | undefined;
  /** At least as many filters as it has subscribed to: to count them for each new one would take ever longer. */
  filters: number | undefined;
}

const RESERVED = '$SYS/';
const REFUSED_QOS = 128;
const SERVER_UNAVAILABLE = 3;

export class Guard {
  readonly #deps: GuardDeps;
  readonly #gatekeeper: Gatekeeper;
  readonly #guests = new Map<AedesClient, Guest>();

  constructor(deps: GuardDeps) {
    this.#deps = deps;
    this.#gatekeeper = new Gatekeeper(deps);
    deps.book.changed = (names) => this.#changed(names);
  }

  arrived(client: AedesClient, visitor: Visitor): void {
    this.#guests.set(client, { visitor, admitted: undefined, pace: undefined, filters: undefined });
    client.conn.once('close', () => {
      const admitted = this.#guests.get(client)?.admitted;
      this.#guests.delete(client);
      if (admitted !== undefined) this.#gatekeeper.left(admitted);
    });
  }

  /** Answers a CONNECT that is refused; gives the packet of one that is not the name by which the client is known inside. */
  async connect(client: AedesClient, packet: ConnectPacket, done: (error: Error | null, go: boolean) => void): Promise<void> {
    const guest = this.#guests.get(client);
    if (guest === undefined) return done(new Error('the connection is closed'), false);
    try {
      const admitted = await this.#gatekeeper.admit(guest.visitor, packet, () => !client.closed);
      if (!this.#guests.has(client)) return this.#gatekeeper.left(admitted);
      guest.admitted = admitted;
      if (admitted.account !== undefined) guest.pace = new Pace(this.#deps.clock, this.#deps.limits.publishRate);
      guest.visitor.admitted();
      packet.clientId = admitted.clientId;
      this.#checkWill(client, packet);
      done(null, true);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : this.#failed(error);
      if (!client.conn.writable) return done(refusal, false);
      client.conn.write(Buffer.from([0x20, 2, 0, refusal.code]), () => done(refusal, false));
    }
  }

  /** Counts what it refuses; MQTT 3.1.1 has no answer for it, and nobody is disconnected. */
  mayPublish(client: AedesClient, topic: string): boolean {
    if (topic.startsWith(RESERVED)) return false;
    if (this.#rights(client).mayPublish(topic)) return true;
    this.#denied(client.id, topic);
    return false;
  }

  /** Why a will may not be published now; `clientId` is of a client that may have left long ago. */
  willFault(clientId: string | undefined, topic: string): string | undefined {
    const fault = topicFault(topic) ?? (topic.startsWith(RESERVED) ? 'the topic is reserved' : undefined);
    if (fault !== undefined || clientId === undefined) return fault;
    if (this.#gatekeeper.rightsNow(clientId).mayPublish(topic)) return undefined;
    this.#denied(clientId, topic);
    return 'its account may not publish it';
  }

  mayRead(client: AedesClient, topic: string): boolean {
    return this.#rights(client).mayRead(topic);
  }

  /** False: it sends faster than it may. */
  inPace(client: AedesClient): boolean {
    return this.#guests.get(client)?.pace?.take() !== false;
  }

  grant(client: AedesClient, subscription: Subscription): Subscription | null {
    const { topic } = subscription;
    const fault = this.#subscriptionFault(client, topic);
    if (fault === undefined) return subscription;
    this.#deps.tally.count('mqtt.subscription.refused', { client: client.id, filter: topic.slice(0, 200), reason: fault });
    // Of a session from before the rules changed as well.
    if (!client.clean && this.#deps.sessions.get(client.id)?.subscriptions.has(topic) === true) {
      this.#deps.sessions.unsubscribe(client.id, [topic]);
    }
    subscription.qos = REFUSED_QOS as Subscription['qos']; // so that the session does not keep it
    return null;
  }

  close(): void {
    this.#deps.book.stop();
    this.#gatekeeper.close();
  }

  /** Default deny: who is not in, or not any more, may do nothing. */
  #rights(client: AedesClient): Rights {
    return this.#guests.get(client)?.admitted?.rights ?? nothing;
  }

  #failed(error: unknown): Refusal {
    this.#deps.tally.count('mqtt.login.failed', { error: messageOf(error) });
    return new Refusal(SERVER_UNAVAILABLE, messageOf(error));
  }

  #subscriptionFault(client: AedesClient, filter: string): string | undefined {
    const most = this.#deps.limits.subscriptions;
    const fault = filterFault(filter);
    if (fault !== undefined) return fault;
    if (!this.#rights(client).maySubscribe(filter)) return 'its account may not subscribe to all of it';
    return client.subscriptions[filter] === undefined && this.#isFull(client, most) ? `${String(most)} filters are subscribed` : undefined;
  }

  #isFull(client: AedesClient, most: number): boolean {
    const guest = this.#guests.get(client);
    let filters = guest?.filters ?? most;
    if (filters >= most) filters = Object.keys(client.subscriptions).length;
    if (guest !== undefined) guest.filters = filters + 1;
    return filters >= most;
  }

  /** Refused at once, so that the log tells it when the client comes and not when it dies. */
  #checkWill(client: AedesClient, packet: ConnectPacket): void {
    const { will } = packet;
    if (will === undefined || this.#rights(client).mayPublish(will.topic)) return;
    this.#denied(packet.clientId, will.topic);
    delete packet.will;
  }

  #denied(clientId: string, topic: string): void {
    this.#deps.tally.count('mqtt.publish.denied', {
      client: clientId,
      topic: topic.slice(0, 200),
      reason: 'its account may not publish it',
    });
  }

  /** Their clients have to come again, and be judged by what holds now. Those of accounts that are gone are forgotten. */
  #changed(names: ReadonlySet<string>): void {
    this.#gatekeeper.forgetPasswords();
    for (const [client, { admitted }] of [...this.#guests]) {
      if (admitted?.account !== undefined && names.has(admitted.account.name)) client.emit('error', new Error('its account has changed'));
    }
    for (const { id } of [...this.#deps.sessions.all()]) {
      const name = accountOf(id);
      if (name !== undefined && names.has(name) && this.#deps.book.get(name) === undefined) this.#deps.sessions.forget(id);
    }
  }
}
