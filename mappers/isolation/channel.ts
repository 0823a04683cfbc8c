/** Owns one end of the stream between edgecore and the process of a plugin: frames in and out, with bounds on both. */
import { finished, type Duplex } from 'node:stream';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { encodeFrame, FrameReader, type Frame } from './frames.ts';

export interface ChannelOptions {
  readonly stream: Duplex;
  /** Called for each frame in order; what it throws ends the channel. */
  readonly onFrame: (frame: Frame) => void;
  /** Once: undefined when the other side ended it, or it was closed here; else what was wrong with it. */
  readonly onEnd: (fault: Error | undefined) => void;
  /** Bytes that may wait to be written before the other side counts as one that does not read. */
  readonly outboxLimit?: number;
}

/** Two of the largest frames. */
const OUTBOX_LIMIT = 8 * 1024 * 1024;

export class Channel {
  readonly #options: ChannelOptions;
  readonly #reader = new FrameReader();
  /** Settles when nothing more will be written. */
  readonly finished: Promise<void>;
  #isEnded = false;
  #isCorked = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
    const { stream } = options;
    this.finished = new Promise((resolve) => finished(stream, { readable: false }, () => resolve()));
    stream.on('data', (piece: Buffer) => this.#read(piece));
    stream.on('error', (error: NodeJS.ErrnoException) => this.#end(isHangUp(error) ? undefined : error));
    stream.on('end', () => this.#end(undefined));
    stream.on('close', () => this.#end(undefined));
  }

  /** What is sent after the end is dropped. Too much that the other side does not read ends the channel. */
  send(frame: Frame): void {
    if (this.#isEnded) return;
    const { stream, outboxLimit = OUTBOX_LIMIT } = this.#options;
    this.#cork();
    stream.write(encodeFrame(frame));
    if (stream.writableLength > outboxLimit)
      this.#end(new HiveletError('LINK_CLOSED', `the other side does not read: ${stream.writableLength} bytes wait for it`));
  }

  /** One JSON object. */
  tell(body: object): void {
    this.send({ kind: 'json', body });
  }

  /** Nothing is read meanwhile: who sends has to wait. */
  pause(): void {
    this.#options.stream.pause();
  }

  resume(): void {
    this.#options.stream.resume();
  }

  /** What was sent is still written, then the other side sees the end. */
  close(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#options.stream.end();
    this.#options.stream.resume();
  }

  /** One write for all frames of a turn. */
  #cork(): void {
    if (this.#isCorked) return;
    const { stream } = this.#options;
    this.#isCorked = true;
    stream.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      stream.uncork();
    });
  }

  #read(piece: Buffer): void {
    if (this.#isEnded) return;
    try {
      for (const frame of this.#reader.push(piece)) {
        this.#options.onFrame(frame);
        if (this.#isEnded) return;
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(messageOf(error)));
    }
  }

  #end(fault: Error | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#options.stream.destroy();
    this.#options.onEnd(fault);
  }
}

function isHangUp({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || code === 'ECONNRESET';
}
