/** Owns reading many attributes: in as few requests as the server takes, found out by asking. */
import type { DataValue, ReadValueIdOptions } from 'node-opcua-client';
import { isHiveletError } from '#beehive/errors.ts';
import type { ServerLink } from './server-link.ts';

/** What every server takes at once, unless it says otherwise. */
const MOST_A_REQUEST = 500;
const TOO_MUCH: ReadonlySet<unknown> = new Set(['BadTooManyOperations', 'BadResponseTooLarge', 'BadEncodingLimitsExceeded']);

export class Reads {
  readonly #link: ServerLink;
  #most = MOST_A_REQUEST;

  constructor(link: ServerLink) {
    this.#link = link;
  }

  /** In the order asked. Throws as `ServerLink.call` does. */
  async values(asked: readonly ReadValueIdOptions[], signal: AbortSignal): Promise<DataValue[]> {
    const values: DataValue[] = [];
    while (values.length < asked.length) {
      const part = asked.slice(values.length, values.length + this.#most);
      const answers = await this.#part(part, signal);
      // The server takes less at once: the same again, in smaller parts.
      if (answers === undefined) continue;
      for (const index of part.keys())
        values.push(answers[index] ?? new this.#link.opcua.DataValue({ statusCode: this.#link.opcua.StatusCodes.BadNoData }));
    }
    return values;
  }

  /** Undefined when the server found it too much at once. */
  async #part(part: ReadValueIdOptions[], signal: AbortSignal): Promise<DataValue[] | undefined> {
    try {
      return await this.#link.call((session) => session.read(part, 0), signal);
    } catch (error) {
      const isTooMuch = isHiveletError(error) && TOO_MUCH.has(error.facts['status']);
      if (!isTooMuch || part.length === 1) throw error;
      this.#most = Math.max(1, Math.floor(part.length / 2));
      return undefined;
    }
  }
}
