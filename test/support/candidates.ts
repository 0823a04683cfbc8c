/** Owns candidates of a leader election: machines in virtual time that can be paused, and links to the API that can be cut. */
import * as assert from 'uvu/assert';
import { sleepOn, type Clock, type Timer } from '#beehive/clock.ts';
import { silentLogger } from '#beehive/log.ts';
import { leases } from '#cloud/store/kube-api.ts';
import { LeaderElection } from '#cloud/store/kubeconfig/leader-election.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryKubeApi, type Call } from './memory-kube-api.ts';

export const NAME = { namespace: 'kubeedge', name: 'cloudcore' };
export const CONTEXT = { signal: new AbortController().signal };

/** A machine: its own wall clock, and a process that can be stopped and continued. Timers that are due meanwhile fire at `resume`. */
export class Machine implements Clock {
  readonly #time: FakeClock;
  readonly #wallMs: number;
  #paused = false;
  readonly #late = new Set<() => void>();

  constructor(time: FakeClock, wallMs = 0) {
    this.#time = time;
    this.#wallMs = wallMs;
  }
  now(): number {
    return this.#time.now() + this.#wallMs;
  }
  monotonic(): number {
    return this.#time.monotonic();
  }
  timer(ms: number, fire: () => void): Timer {
    const timer = this.#time.timer(ms, () => (this.#paused ? void this.#late.add(fire) : fire()));
    return {
      cancel: () => {
        timer.cancel();
        this.#late.delete(fire);
      },
    };
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }
  random(): number {
    return this.#time.random();
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    const late = [...this.#late];
    this.#late.clear();
    for (const fire of late) fire();
  }
}

/** As the client does: an abort ends what waits. */
function orAbort<T>(waiting: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal?.aborted === true) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    waiting.then(resolve, reject);
  });
}

export interface Candidate {
  machine: Machine;
  election: LeaderElection;
  changes: boolean[];
  /** What this candidate's calls meet. */
  link: { before: (call: Call) => void | Promise<void> };
}

export function candidates() {
  const time = new FakeClock();
  const api = new MemoryKubeApi();
  const all: Candidate[] = [];
  const candidate = (identity: string, wallMs = 0): Candidate => {
    const machine = new Machine(time, wallMs);
    const changes: boolean[] = [];
    const link: Candidate['link'] = { before: () => undefined };
    const over = async (verb: Call['verb'], act: () => Promise<unknown>, signal: AbortSignal | undefined) => {
      await orAbort(Promise.resolve(link.before({ verb, type: 'leases', name: 'cloudcore' })), signal);
      return orAbort(act(), signal);
    };
    const election = new LeaderElection({
      api: {
        get: (type, name, options) => over('get', () => api.get(type, name), options?.signal) as ReturnType<typeof api.get>,
        create: (type, object, options) => over('create', () => api.create(type, object), options?.signal) as ReturnType<typeof api.get>,
        update: (type, object, options) => over('update', () => api.update(type, object), options?.signal) as ReturnType<typeof api.get>,
      },
      clock: machine,
      log: silentLogger(),
      identity,
      ...NAME,
      onChange: (leads) => void changes.push(leads),
    });
    const made = { machine, election, changes, link };
    all.push(made);
    return made;
  };
  const leaders = (): number => all.filter(({ election }) => election.isLeader).length;
  /** Moves time in small steps and looks after each that no two lead. */
  const pass = async (ms: number): Promise<void> => {
    for (let step = 0; step < ms; step += 100) {
      await time.advance(100);
      assert.ok(leaders() <= 1, `${leaders()} lead at ${time.monotonic()} ms`);
    }
  };
  const spec = () => api.peek(leases, NAME)?.['spec'] as { holderIdentity?: string; leaseTransitions: number; renewTime: string };
  const stop = async (): Promise<void> => {
    for (const { election } of all) await election.stop();
    assert.is(time.pending, 0, 'timers are left');
  };
  return { time, api, candidate, pass, spec, stop };
}
