/** Owns the order of acknowledgements: PUBACKs leave in the order of the PUBLISHes [MQTT-4.6.0-2], whenever their commits settle. */

interface Ack {
  state: 'waiting' | 'ready' | 'given up';
  send: () => void;
}

export class AckQueue {
  readonly #acks: Ack[] = [];

  get size(): number {
    return this.#acks.length;
  }

  /** `giveUp`: this one is never sent and does not keep others waiting. */
  add(send: () => void): { ready: () => void; giveUp: () => void } {
    const ack: Ack = { state: 'waiting', send };
    this.#acks.push(ack);
    const settle = (state: Ack['state']) => (): void => {
      ack.state = state;
      this.#flush();
    };
    return { ready: settle('ready'), giveUp: settle('given up') };
  }

  #flush(): void {
    for (let head = this.#acks[0]; head !== undefined && head.state !== 'waiting'; head = this.#acks[0]) {
      this.#acks.shift();
      if (head.state === 'ready') head.send();
    }
  }
}
