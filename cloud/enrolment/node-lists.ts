/** Owns the lists of certificates that each node may use, one Secret a node: read, extended and emptied by compare and swap. */
import { createHash } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { secrets, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import { NAMESPACE, compareAndSwap, createSecret, listIn, orNone, secretOf, selectorOf, textIn } from './secrets.ts';

export interface ListedCertificate {
  /** SHA-256 of the DER form, lower-case hex without colons. */
  fingerprint: string;
  /** SHA-256 of the public key (SPKI, DER), hex. */
  key: string;
  /** Unix ms. */
  endsMs: number;
  /** What it was issued on: the id of a token, or `certificate`. */
  by: string;
}

/** A node without a list may use whatever certificate of the authority names it; an empty list allows none. */
export interface NodeList {
  node: string;
  certificates: ListedCertificate[];
  /** uid of the Node whose deletion emptied it last. */
  revokedUid: string;
}

/** One in use, one that takes over, and room for a retry. */
const MOST_CERTIFICATES = 4;
const PREFIX = 'hivelet-node-';

export class NodeLists {
  /** A certificate that ended stays on its list for so long: it still proves whose board it was. */
  readonly graceMs: number;
  readonly #api: KubeApi;
  readonly #clock: Clock;

  constructor({ api, clock, graceMs = 0 }: { api: KubeApi; clock: Clock; graceMs?: number }) {
    this.#api = api;
    this.#clock = clock;
    this.graceMs = graceMs;
  }

  async read(node: string): Promise<NodeList | undefined> {
    return (await this.#read(node))?.list;
  }

  async all(): Promise<NodeList[]> {
    const { items } = await this.#api.list(secrets, { namespace: NAMESPACE, labelSelector: selectorOf('node-certificates') });
    return items.flatMap((item) => {
      const list = readList(item);
      return list === undefined || 'unreadable' in list ? [] : [list];
    });
  }

  /**
   * Adds one, or replaces all by it. `mayTake` decides on the list that is really there, in the same compare and swap: with a sentence it refuses,
   * and nothing is written. Answers that sentence.
   */
  async add(node: string, added: ListedCertificate, mayTake: (list: NodeList | undefined) => Decision): Promise<string | undefined> {
    let refusal: string | undefined;
    await this.#change(node, (list) => {
      const decision = mayTake(list);
      refusal = typeof decision === 'string' ? decision : undefined;
      if (typeof decision === 'string') return undefined;
      const kept = decision.replace ? [] : (list?.certificates ?? []);
      const soonestMs = this.#clock.now() - (decision.forgetEnded === true ? 0 : this.graceMs);
      const others = [...kept, ...decision.known].filter(({ key, endsMs }) => key !== added.key && endsMs > soonestMs);
      // What is shown while others are asked for again and again stays.
      const shown = others.filter(({ fingerprint }) => fingerprint === decision.shown);
      const rest = others.filter(({ fingerprint }) => fingerprint !== decision.shown);
      const certificates = [...shown, ...[...rest, added].slice(shown.length - MOST_CERTIFICATES)];
      return { node, certificates, revokedUid: list?.revokedUid ?? '' };
    });
    return refusal;
  }

  /** Empties the list, making one where there is none. `uid` is that of a deleted Node: what was emptied for it once is not emptied again. */
  async revoke(node: string, uid?: string): Promise<void> {
    await this.#change(node, (list) => {
      if (uid !== undefined && list?.revokedUid === uid) return undefined;
      return { node, certificates: [], revokedUid: uid ?? list?.revokedUid ?? '' };
    });
  }

  /** Takes the list away: every certificate of the authority that names the node is good again. False when there was none. */
  async release(node: string): Promise<boolean> {
    return (await orNone(this.#api.delete(secrets, { namespace: NAMESPACE, name: listNameOf(node) }).then(() => true))) ?? false;
  }

  async #change(node: string, change: (list: NodeList | undefined) => NodeList | undefined): Promise<void> {
    const attempt = async (): Promise<void> => {
      const found = await this.#read(node);
      const next = change(found?.list);
      if (next === undefined) return;
      const input = written(next);
      if (found === undefined) return createSecret(this.#api, input);
      const { resourceVersion } = found.object.metadata;
      const metadata = { ...input.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
      await this.#api.update(secrets, { ...input, metadata });
    };
    await compareAndSwap(attempt, this.#clock);
  }

  async #read(node: string): Promise<{ object: KubeObject; list: NodeList } | undefined> {
    const object = await orNone(this.#api.get(secrets, { namespace: NAMESPACE, name: listNameOf(node) }));
    if (object === undefined) return undefined;
    const list = readList(object);
    // One that cannot be read allows nothing.
    return { object, list: list === undefined || 'unreadable' in list ? { node, certificates: [], revokedUid: '' } : list };
  }
}

/**
 * A sentence refuses. `replace`: the others are no longer good. `known`: good ones that are on no list yet. `forgetEnded`: what ended proves
 * nothing any more, because the name has a new owner. `shown`: the one that stays, however many are added.
 */
export type Decision = string | { replace: boolean; known: readonly ListedCertificate[]; forgetEnded?: boolean; shown?: string };

/** Undefined for what is no list of ours by its name. `unreadable` is one sentence; it must count as a list that allows nothing. */
export function readList(object: KubeObject): NodeList | { unreadable: string } | undefined {
  if (!object.metadata.name.startsWith(PREFIX)) return undefined;
  const node = textIn(object, 'node');
  if (node === '' || listNameOf(node) !== object.metadata.name)
    return { unreadable: `its key "node" is not the node that it is named after` };
  if (!isJsonList(textIn(object, 'certificates'))) return { unreadable: 'its key "certificates" is no JSON list' };
  const certificates = listIn(object, 'certificates').map(({ fingerprint, key, ends, by }) => ({
    fingerprint: String(fingerprint),
    key: String(key),
    endsMs: Date.parse(String(ends)),
    by: String(by),
  }));
  return { node, certificates: certificates.slice(-MOST_CERTIFICATES), revokedUid: textIn(object, 'revoked-uid') };
}

function written({ node, certificates, revokedUid }: NodeList) {
  const list = certificates.map(({ fingerprint, key, endsMs, by }) => ({ fingerprint, key, ends: new Date(endsMs).toISOString(), by }));
  return secretOf('node-certificates', listNameOf(node), { node, certificates: JSON.stringify(list), 'revoked-uid': revokedUid });
}

function isJsonList(text: string): boolean {
  try {
    return Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}

/** The Secret of a node. Names of nodes may be as long as those of Secrets: long ones are hashed. */
export function listNameOf(node: string): string {
  const name = PREFIX + node;
  return name.length <= 253 ? name : `${PREFIX}${createHash('sha256').update(node).digest('hex')}`;
}

/** The node whose list has this name; of a hashed one the hash. */
export function nodeNameIn(listName: string): string {
  return listName.slice(PREFIX.length);
}
