/** Owns what is known of each board while the authority changes: which ones it trusts, which one signed its certificate. One Secret, written together. */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import { nodes, secrets, type KubeApi, type KubeObject } from '../store/kube-api.ts';
import type { NodeLists } from './node-lists.ts';
import type { RotationRecord } from './rotation-record.ts';
import { NAMESPACE, compareAndSwap, orNone, secretOf, textIn } from './secrets.ts';

export interface AuthorityUse {
  /** Names of authorities, see `shortName`. */
  trusts: readonly string[];
  /** Who signed the certificate that it linked with last. */
  issuer: string;
  /** One sentence why it cannot follow; '' when it can. */
  fault: string;
}

/** Where a board stands. */
export interface BoardState {
  node: string;
  trustsNew: boolean;
  usesNew: boolean;
  /** For people. */
  note: string;
}

const NAME = 'hivelet-authority-use';
const EDGE_LABEL = 'node-role.kubernetes.io/edge';

/** The first 16 digits of the hash by which join tokens name an authority. */
export function shortName(pem: string): string {
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 16);
}

export class AuthorityUses {
  readonly #api: KubeApi;
  readonly #clock: Clock;

  constructor({ api, clock }: { api: KubeApi; clock: Clock }) {
    this.#api = api;
    this.#clock = clock;
  }

  async read(): Promise<Map<string, AuthorityUse>> {
    const object = await this.#get();
    return object === undefined ? new Map() : usesIn(object);
  }

  /** What was known of a change before. */
  async clear(): Promise<void> {
    await orNone(this.#api.delete(secrets, { namespace: NAMESPACE, name: NAME }));
  }

  /** Nothing is written when nothing is new. */
  async note(changes: ReadonlyMap<string, AuthorityUse>): Promise<void> {
    const attempt = async (): Promise<void> => {
      const object = await this.#get();
      const uses = object === undefined ? new Map<string, AuthorityUse>() : usesIn(object);
      const before = JSON.stringify([...uses]);
      for (const [node, use] of changes) uses.set(node, use);
      if (object !== undefined && JSON.stringify([...uses]) === before) return;
      const input = secretOf('authority-use', NAME, { nodes: JSON.stringify(Object.fromEntries(uses)) });
      const { resourceVersion } = object?.metadata ?? {};
      if (resourceVersion === undefined) await this.#api.create(secrets, input);
      else await this.#api.update(secrets, { ...input, metadata: { ...input.metadata, resourceVersion } });
    };
    await compareAndSwap(attempt, this.#clock);
  }

  #get(): Promise<KubeObject | undefined> {
    return orNone(this.#api.get(secrets, { namespace: NAMESPACE, name: NAME }));
  }
}

/** Every board that may come back: edge Nodes, and names with a certificate that is still good for something. Sorted by name. */
export async function boardsOf({ api, lists, nowMs }: { api: KubeApi; lists: NodeLists; nowMs: number }): Promise<string[]> {
  const { items } = await api.list(nodes);
  const edges = items.filter(({ metadata }) => metadata.labels?.[EDGE_LABEL] !== undefined).map(({ metadata }) => metadata.name);
  const listed = (await lists.all()).filter(({ certificates }) => certificates.some(({ endsMs }) => endsMs + lists.graceMs > nowMs));
  const revoked = new Set((await lists.all()).filter(({ certificates }) => certificates.length === 0).map(({ node }) => node));
  return [...new Set([...edges, ...listed.map(({ node }) => node)])].filter((node) => !revoked.has(node)).sort();
}

export function stateOf(record: Pick<RotationRecord, 'next'>, node: string, use: AuthorityUse | undefined): BoardState {
  const next = shortName(record.next);
  if (use === undefined) return { node, trustsNew: false, usesNew: false, note: 'was not seen since the change began' };
  return { node, trustsNew: use.trusts.includes(next), usesNew: use.issuer === next, note: use.fault };
}

function usesIn(object: KubeObject): Map<string, AuthorityUse> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(textIn(object, 'nodes'));
  } catch {
    // Whoever is not in it is waited for.
    return new Map();
  }
  if (parsed === null || typeof parsed !== 'object') return new Map();
  return new Map(
    Object.entries(parsed as Record<string, Partial<Record<keyof AuthorityUse, unknown>> | null>).map(([node, use]) => {
      const trusts: unknown[] = Array.isArray(use?.trusts) ? use.trusts : [];
      const text = (value: unknown): string => (typeof value === 'string' ? value : '');
      return [node, { trusts: trusts.map(text), issuer: text(use?.issuer), fault: text(use?.fault) }];
    }),
  );
}
