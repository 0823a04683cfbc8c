/** Owns uploads on their way to the cloud: in order, on disk, until a peer that takes them has acknowledged. */
import { committed, type Committer } from '#beehive/commit.ts';
import type { Upload, UploadTable } from '../store/upload-table.ts';
import { isUtf8 } from 'node:buffer';
import type { WindowEntry } from '#wire/ack-window.ts';
import type { BeehiveMessage, NewMessage } from '#wire/message.ts';
import { group, operation, source } from '#wire/resources.ts';

export interface UploadLink {
  readonly peer: 'offline' | 'kubeedge' | 'hivelet';
  readonly takesUploads: boolean;
  send(message: NewMessage): void;
  offer(entry: WindowEntry): boolean;
  message(fields: NewMessage): BeehiveMessage;
}

/** Uploads offered to the window at once. */
const AHEAD = 16;

export class UploadQueue {
  readonly #table: UploadTable;
  readonly #committer: Committer;
  readonly #link: UploadLink;
  /** The last one offered on this connection. */
  #cursor = 0;
  #offered = 0;

  constructor(deps: { table: UploadTable; committer: Committer; link: UploadLink }) {
    this.#table = deps.table;
    this.#committer = deps.committer;
    this.#link = deps.link;
  }

  get stats(): { count: number; bytes: number; dropped: number } {
    const { count, bytes, dropped } = this.#table;
    return { count, bytes, dropped };
  }

  /**
   * Resolves when it is safe: on disk, or (for a KubeEdge cloud that is connected, which never acknowledges) handed to
   * the link as KubeEdge does.
   */
  async append(topic: string, payload: Buffer): Promise<void> {
    if (this.#link.peer === 'kubeedge') {
      this.#link.send(fieldsOf(topic, payload, false));
      return;
    }
    const copy = Buffer.from(payload);
    await committed(
      this.#committer,
      () => this.#table.append(topic, copy),
      () => this.#table.recount(),
    );
    this.pump();
  }

  /** After a connect: everything that is not acknowledged is offered again, oldest first. */
  restart(): void {
    this.#cursor = 0;
    this.#offered = 0;
    this.pump();
  }

  pump(): void {
    if (!this.#link.takesUploads) return;
    for (const upload of this.#offered < AHEAD ? this.#table.after(this.#cursor, AHEAD - this.#offered) : []) {
      if (!this.#link.offer(this.#entry(upload))) return;
      this.#cursor = upload.seq;
      this.#offered++;
    }
  }

  #entry(upload: Upload): WindowEntry {
    return {
      key: 'uploads',
      keep: true,
      make: () => this.#link.message(fieldsOf(upload.topic, upload.payload, true)),
      onAck: () => this.#acknowledged(upload),
    };
  }

  #acknowledged(upload: Upload): void {
    this.#offered = Math.max(0, this.#offered - 1);
    this.#committer.enqueue({
      run: () => this.#table.remove(upload),
      done: () => this.pump(),
      // It stays on disk and is told again after the next connect.
      failed: () => this.#table.recount(),
    });
  }
}

/** KubeEdge carries the payload as JSON text, which damages binary ones; our cloud gets those as base64 (defect M8). */
function fieldsOf(topic: string, payload: Buffer, ours: boolean): NewMessage {
  const route = { source: source.bus, group: group.user, operation: operation.upload, resource: topic };
  if (ours && !isUtf8(payload)) return { ...route, content: payload.toString('base64'), encoding: 'base64' };
  return { ...route, content: payload.toString('utf8') };
}
