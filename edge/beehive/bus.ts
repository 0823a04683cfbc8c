/** Owns the message bus between modules: one bounded inbox per module, groups, and answers by parent id. */
import type { Clock } from './clock.ts';
import { HiveletError } from './errors.ts';

/** What the bus needs to know of a message; `#wire/message.ts` is what travels on it. */
export interface Addressed {
  header: { msg_id: string; parent_msg_id?: string };
}

interface Inbox<M> {
  queue: M[];
  capacity: number;
  /** Senders that wait for room, in order. */
  senders: { message: M; done: () => void; fail: (error: Error) => void }[];
  reader: { take: (message: M) => void; fail: (error: Error) => void } | undefined;
}

interface Waiter<M> {
  /** How many answers are still missing. */
  missing: number;
  answers: M[];
  resolve: (answers: M[]) => void;
  reject: (error: Error) => void;
  stopTimer: () => void;
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
  /** Answers that nobody waited for. */
  unclaimed = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  addModule(module: string, options: { capacity?: number } = {}): void {
    if (this.#inboxes.has(module)) return;
    this.#inboxes.set(module, { queue: [], capacity: options.capacity ?? DEFAULT_CAPACITY, senders: [], reader: undefined });
  }

  addModuleToGroup(module: string, group: string): void {
    const members = this.#groups.get(group) ?? new Set();
    members.add(module);
    this.#groups.set(group, members);
  }

  /** Removes a module; whoever waits to send to it or to read for it gets STOPPED, its unread messages are gone. */
  cleanup(module: string): void {
    const inbox = this.#inboxes.get(module);
    this.#inboxes.delete(module);
    for (const members of this.#groups.values()) members.delete(module);
    if (inbox === undefined) return;
    const error = new HiveletError('STOPPED', `module ${module} was removed from the bus`);
    for (const sender of inbox.senders) sender.fail(error);
    inbox.reader?.fail(error);
  }

  /** Resolves when the message is in the inbox. Throws BUS_NO_MODULE for an unknown module. */
  send(module: string, message: M): Promise<void> {
    const inbox = this.#inboxes.get(module);
    if (inbox === undefined) return Promise.reject(new HiveletError('BUS_NO_MODULE', `no module ${module} on the bus`));
    if (inbox.reader !== undefined) {
      const { take } = inbox.reader;
      inbox.reader = undefined;
      take(message);
      return Promise.resolve();
    }
    if (inbox.queue.length < inbox.capacity) {
      inbox.queue.push(message);
      return Promise.resolve();
    }
    return new Promise((done, fail) => inbox.senders.push({ message, done, fail }));
  }

  /** Sends to every member of the group; an empty group is no error. */
  async sendToGroup(group: string, message: M): Promise<void> {
    await Promise.all([...(this.#groups.get(group) ?? [])].map((module) => this.send(module, message)));
  }

  /** The next message of the module; one reader at a time. Rejects when the signal aborts or the module is removed. */
  receive(module: string, signal?: AbortSignal): Promise<M> {
    const inbox = this.#inboxes.get(module);
    if (inbox === undefined) return Promise.reject(new HiveletError('BUS_NO_MODULE', `no module ${module} on the bus`));
    if (signal?.aborted === true) return Promise.reject(new HiveletError('STOPPED'));
    const first = inbox.queue.shift();
    if (first !== undefined) {
      const sender = inbox.senders.shift();
      if (sender !== undefined) {
        inbox.queue.push(sender.message);
        sender.done();
      }
      return Promise.resolve(first);
    }
    if (inbox.reader !== undefined) return Promise.reject(new HiveletError('INTERNAL', `two readers on the inbox of ${module}`));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        inbox.reader = undefined;
        reject(new HiveletError('STOPPED'));
      };
      inbox.reader = {
        take: (message) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(message);
        },
        fail: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Sends and waits for the answer whose parent is this message. Throws BUS_TIMEOUT after `timeoutMs`. */
  async sendSync(module: string, message: M, timeoutMs: number): Promise<M> {
    const answers = this.#expect(message, 1, timeoutMs);
    await this.#sendOrForget(message, () => this.send(module, message));
    const [answer] = await answers;
    if (answer === undefined) throw new HiveletError('BUS_TIMEOUT');
    return answer;
  }

  /** Sends to every member and waits for one answer of each. Throws BUS_TIMEOUT when one is missing. */
  async sendToGroupSync(group: string, message: M, timeoutMs: number): Promise<M[]> {
    const members = this.#groups.get(group)?.size ?? 0;
    if (members === 0) return [];
    const answers = this.#expect(message, members, timeoutMs);
    await this.#sendOrForget(message, () => this.sendToGroup(group, message));
    return answers;
  }

  /** Hands an answer to whoever waits for its parent; false (and counted) when nobody does. */
  sendResponse(answer: M): boolean {
    const waiter = this.#waiters.get(answer.header.parent_msg_id ?? '');
    if (waiter === undefined) {
      this.unclaimed++;
      return false;
    }
    waiter.answers.push(answer);
    if (--waiter.missing === 0) this.#finish(answer.header.parent_msg_id ?? '', () => waiter.resolve(waiter.answers));
    return true;
  }

  /** Settles everything that waits. */
  close(): void {
    for (const module of [...this.#inboxes.keys()]) this.cleanup(module);
    for (const [id, waiter] of [...this.#waiters]) this.#finish(id, () => waiter.reject(new HiveletError('STOPPED')));
  }

  async #sendOrForget(message: M, send: () => Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      const waiter = this.#waiters.get(message.header.msg_id);
      if (waiter !== undefined) this.#finish(message.header.msg_id, () => waiter.resolve([]));
      throw error;
    }
  }

  #expect(message: M, missing: number, timeoutMs: number): Promise<M[]> {
    const id = message.header.msg_id;
    const answers = new Promise<M[]>((resolve, reject) => {
      const timer = this.#clock.timer(timeoutMs, () =>
        this.#finish(id, () => reject(new HiveletError('BUS_TIMEOUT', `no answer to ${id} within ${String(timeoutMs)} ms`))),
      );
      this.#waiters.set(id, { missing, answers: [], resolve, reject, stopTimer: () => timer.cancel() });
    });
    // The time-out may strike while the sender still waits for room: it is reported when the answers are awaited.
    answers.catch(() => undefined);
    return answers;
  }

  #finish(id: string, settle: () => void): void {
    this.#waiters.get(id)?.stopTimer();
    this.#waiters.delete(id);
    settle();
  }
}
