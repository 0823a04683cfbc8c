/** Owns the shapes that cross the broker's edge: what is published and what the ingest function answers. */

export type Qos = 0 | 1 | 2;

/** A PUBLISH on its way in. `payload` may be a view into a socket buffer: copy it to keep it. */
export interface IncomingPublish {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  /** MQTT client id, or the name of an in-process port. */
  readonly clientId: string;
}

/** Called by the broker after the publish was acknowledged and forwarded: the place to send results from. */
export type AfterForward = () => void;

/**
 * Sees every PUBLISH of a client in arrival order, before it is acknowledged or forwarded.
 * - returns nothing: not ours, forwarded at once (behind earlier publishes of the same client);
 * - returns a promise: PUBACK/PUBREC and forwarding wait for it, later publishes are still handed in meanwhile;
 *   it may resolve to a function that runs after forwarding;
 * - the promise rejects: neither acknowledged nor forwarded, logged.
 */
export type Ingest = (publish: IncomingPublish) => Promise<void | AfterForward> | undefined;

export interface PublishOptions {
  qos?: Qos;
  retain?: boolean;
}

/** A message on its way out; text becomes bytes only when somebody wants it. */
export interface Outgoing {
  topic: string;
  payload: string | Buffer;
  qos: Qos;
  retain: boolean;
  clientId?: string;
}
