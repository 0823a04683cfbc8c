/** Owns the message bus between modules: one bounded inbox per module, groups, and answers by parent id. */
import type { Clock } from './clock.ts';
import { HiveletError } from './errors.ts';

/** What the bus needs to know of a message; `#wire/message.ts` is what travels on it. */
export interface Addressed {
  header: { msg_id: string; parent_msg_id?: string };
}

export interface AnswerWait {
  timeoutMs: number;
  /** Ends the wait with STOPPED. */
  signal?: AbortSignal;
}

interface Sender<M> {
  message: M;
  done: () => void;
  fail: (error: Error) => void;
}

interface Inbox<M> {
  queue: M[];
  capacity: number;
  /** Senders that wait for room, in order; there are none unless the queue is full. */
  senders: Set<Sender<M>>;
  reader: { take: (message: M) => void; fail: (error: Error) => void } | undefined;
}

interface Waiter<M> {
  /** How many answers are still missing. */
  missing: number;
  answers: M[];
  settle: (outcome: M[] | Error) => void;
}

const DEFAULT_CAPACITY = 1024;

/**
 * Order: messages leave an inbox in the order in which `send` was called, whoever sent them, so the order of one
 * sender (and of one key of it) is kept. A full inbox makes senders wait; nothing is dropped and nothing races.
 */
export class Bus<M extends Addressed> {
  readonly #clock: Clock;
  readonly #inboxes = new Map<string, Inbox<M>>();
  readonly #groups = new Map<string, Set<string>>();
  readonly #waiters = new Map<string, Waiter<M>>();
  #unclaimed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Answers that nobody waited for. */
  get unclaimed(): number {
    return this.#unclaimed;
  }

  /** `capacity`: messages that wait unread (at least 1, default 1024) before senders have to. A module that is there already keeps its inbox. */
  addModule(module: string, options: { capacity?: number } = {}): void {
    if (this.#inboxes.has(module)) return;
    const capacity = Math.max(1, options.capacity ?? DEFAULT_CAPACITY);
    this.#inboxes.set(module, { queue: [], capacity, senders: new Set(), reader: undefined });
  }

  addModuleToGroup(module: string, group: string): void {
    const members = this.#groups.get(group) ?? new Set();
    members.add(module);
    this.#groups.set(group, members);
  }

  /**
   * Removes a module; whoever waits to send to it or to read for it gets STOPPED, its unread messages are gone. Who waits for its answer is
   * told by the time-out.
   */
  cleanup(module: string): void {
    const inbox = this.#inboxes.get(module);
    this.#inboxes.delete(module);
    for (const members of this.#groups.values()) members.delete(module);
    if (inbox === undefined) return;
    const error = new HiveletError('STOPPED', `module ${module} was removed from the bus`);
    for (const sender of [...inbox.senders]) sender.fail(error);
    inbox.reader?.fail(error);
  }

  /** Resolves when the message is in the inbox. Throws BUS_NO_MODULE for an unknown module, STOPPED when the signal aborts while it waits. */
  send(module: string, message: M, signal?: AbortSignal): Promise<void> {
    const inbox = this.#inboxes.get(module);
    if (inbox === undefined) return Promise.reject(noModule(module));
    if (signal?.aborted === true) return Promise.reject(new HiveletError('STOPPED'));
    if (inbox.reader !== undefined) {
      inbox.reader.take(message);
      return Promise.resolve();
    }
    if (inbox.queue.length < inbox.capacity) {
      inbox.queue.push(message);
      return Promise.resolve();
    }
    return waitForRoom(inbox, message, signal);
  }

  /** Sends to every member of the group; an empty group is no error. Otherwise as `send`. */
  async sendToGroup(group: string, message: M, signal?: AbortSignal): Promise<void> {
    await Promise.all([...(this.#groups.get(group) ?? [])].map((module) => this.send(module, message, signal)));
  }

  /** The next message of the module; one reader at a time. Throws STOPPED when the signal aborts or the module is removed. */
  receive(module: string, signal?: AbortSignal): Promise<M> {
    const inbox = this.#inboxes.get(module);
    if (inbox === undefined) return Promise.reject(noModule(module));
    if (signal?.aborted === true) return Promise.reject(new HiveletError('STOPPED'));
    if (inbox.reader !== undefined) return Promise.reject(new HiveletError('INTERNAL', `two readers on the inbox of ${module}`));
    const first = inbox.queue.shift();
    if (first === undefined) return waitForMessage(inbox, signal);
    const [sender] = inbox.senders;
    if (sender !== undefined) {
      inbox.queue.push(sender.message);
      sender.done();
    }
    return Promise.resolve(first);
  }

  /** Hands each message of the module to `handle`, one after the other, until the module is removed or the signal aborts. */
  async consume(module: string, handle: (message: M) => void | Promise<void>, signal?: AbortSignal): Promise<void> {
    for (;;) {
      let message: M;
      try {
        message = await this.receive(module, signal);
      } catch {
        return;
      }
      await handle(message);
    }
  }

  /** Sends and waits for the answer whose parent is this message. Throws BUS_TIMEOUT, also when there was no room to send it in that time. */
  async sendSync(module: string, message: M, wait: AnswerWait): Promise<M> {
    const [answer] = await this.#exchange(message, { ...wait, missing: 1 }, (signal) => this.send(module, message, signal));
    if (answer === undefined) throw new HiveletError('BUS_TIMEOUT');
    return answer;
  }

  /** Sends to every member and waits for one answer of each; an empty group answers nothing. Throws BUS_TIMEOUT when one is missing. */
  async sendToGroupSync(group: string, message: M, wait: AnswerWait): Promise<M[]> {
    const missing = this.#groups.get(group)?.size ?? 0;
    if (missing === 0) return [];
    return this.#exchange(message, { ...wait, missing }, (signal) => this.sendToGroup(group, message, signal));
  }

  /** Hands an answer to whoever waits for its parent; false (and counted) when nobody does. */
  sendResponse(answer: M): boolean {
    const waiter = this.#waiters.get(answer.header.parent_msg_id ?? '');
    if (waiter === undefined) {
      this.#unclaimed++;
      return false;
    }
    waiter.answers.push(answer);
    if (--waiter.missing === 0) waiter.settle(waiter.answers);
    return true;
  }

  /** Settles everything that waits. */
  close(): void {
    for (const module of [...this.#inboxes.keys()]) this.cleanup(module);
    for (const waiter of [...this.#waiters.values()]) waiter.settle(new HiveletError('STOPPED'));
  }

  /** Whatever ends the wait also withdraws a message that still waits for room. */
  #exchange(message: M, wait: AnswerWait & { missing: number }, send: (signal: AbortSignal) => Promise<void>): Promise<M[]> {
    const id = message.header.msg_id;
    const { timeoutMs, signal, missing } = wait;
    if (signal?.aborted === true) return Promise.reject(new HiveletError('STOPPED'));
    if (this.#waiters.has(id)) return Promise.reject(new HiveletError('INTERNAL', `message ${id} already waits for its answer`));
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const settle = (outcome: M[] | Error): void => {
        if (over.signal.aborted) return;
        over.abort();
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiters.delete(id);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const onAbort = (): void => settle(new HiveletError('STOPPED'));
      const timer = this.#clock.timer(timeoutMs, () =>
        settle(new HiveletError('BUS_TIMEOUT', `no answer to ${id} within ${String(timeoutMs)} ms`)),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.set(id, { missing, answers: [], settle });
      send(over.signal).catch(settle);
    });
  }
}

function waitForRoom<M>(inbox: Inbox<M>, message: M, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      inbox.senders.delete(sender);
      signal?.removeEventListener('abort', onAbort);
    };
    const sender: Sender<M> = {
      message,
      done: () => {
        leave();
        resolve();
      },
      fail: (error) => {
        leave();
        reject(error);
      },
    };
    const onAbort = (): void => sender.fail(new HiveletError('STOPPED'));
    signal?.addEventListener('abort', onAbort, { once: true });
    inbox.senders.add(sender);
  });
}

function waitForMessage<M>(inbox: Inbox<M>, signal: AbortSignal | undefined): Promise<M> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      inbox.reader = undefined;
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: Error): void => {
      leave();
      reject(error);
    };
    const onAbort = (): void => fail(new HiveletError('STOPPED'));
    inbox.reader = {
      take: (message) => {
        leave();
        resolve(message);
      },
      fail,
    };
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function noModule(module: string): HiveletError {
  return new HiveletError('BUS_NO_MODULE', `no module ${module} on the bus`);
}
