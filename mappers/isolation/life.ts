/** Owns what a process of a plugin is to its keeper, wherever it runs. */
import type { Duplex } from 'node:stream';

/** One run of the process. */
export interface Life {
  readonly stream: Duplex;
  /** Undefined where only the process itself can tell. */
  readonly pid: number | undefined;
  /** Settles when it is gone, with how it ended: "exit code 1 (last words)"; never rejects. */
  readonly ended: Promise<string>;
  /** Asks it to end, and makes it after a while; resolves when it is gone. The stream was closed before. Idempotent. */
  stop(): Promise<void>;
  /** At once: it does not obey. Resolves when it is gone. */
  kill(): Promise<void>;
}

export interface Place {
  /** Resolves with a process that runs; rejects when there will be none, and with the signal's reason. One lives at a time. */
  start(signal: AbortSignal): Promise<Life>;
  /** No process is wanted any more. Idempotent. */
  release(): Promise<void>;
  /** What is told of devices while `start` takes longer than a while; absent: it does not. */
  readonly absence?: string;
}
