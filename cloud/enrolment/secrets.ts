/** Owns what our Secrets have in common: where they are, how their texts are written and read. */
import type { Clock } from '#beehive/clock.ts';
import {
  isKubeError,
  namespaces,
  retryOnConflict,
  secrets,
  type KubeApi,
  type KubeObject,
  type KubeObjectInput,
} from '../store/kube-api.ts';

/** Where the things of cloudcore itself are, as with KubeEdge. */
export const NAMESPACE = 'kubeedge';
const KIND_LABEL = 'hivelet.dev/kind';

export type SecretKind = 'join-token' | 'node-certificates' | 'authorities' | 'authority-use';

/** For lists and watches. */
export function selectorOf(kind: SecretKind): string {
  return `${KIND_LABEL}=${kind}`;
}

export function secretOf(kind: SecretKind, name: string, texts: Readonly<Record<string, string>>): KubeObjectInput {
  const data = Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
  return { metadata: { namespace: NAMESPACE, name, labels: { [KIND_LABEL]: kind } }, type: `hivelet.dev/${kind}`, data };
}

/** '' for a key that is not there. */
export function textIn({ data }: KubeObject, key: string): string {
  const value: unknown = data !== null && typeof data === 'object' ? new Map<string, unknown>(Object.entries(data)).get(key) : undefined;
  return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';
}

/** A JSON list under a key; empty for whatever is none. */
export function listIn(object: KubeObject, key: string): Record<string, unknown>[] {
  try {
    const value: unknown = JSON.parse(textIn(object, key));
    return Array.isArray(value) ? value.filter((item): item is Record<string, unknown> => item !== null && typeof item === 'object') : [];
  } catch {
    return [];
  }
}

/** Undefined for what is not there. */
export async function orNone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** cloudcore makes the namespace when it starts; a shell command may come first. */
export async function ensureNamespace(api: KubeApi): Promise<void> {
  try {
    await api.create(namespaces, { metadata: { name: NAMESPACE } });
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists')) throw error;
  }
}

/** Creates one of our Secrets, and the namespace where it is not there yet. Throws AlreadyExists. */
export async function createSecret(api: KubeApi, input: KubeObjectInput): Promise<void> {
  try {
    await api.create(secrets, input);
  } catch (error) {
    if (!isKubeError(error, 'NotFound')) throw error;
    await ensureNamespace(api);
    await api.create(secrets, input);
  }
}

/** Reads, decides and writes in `attempt`, again after a conflict, and once more when somebody made or removed the Secret in between. */
export async function compareAndSwap(attempt: () => Promise<void>, clock: Clock): Promise<void> {
  const patient = async (): Promise<void> => {
    try {
      await attempt();
    } catch (error) {
      if (!isKubeError(error, 'AlreadyExists', 'NotFound')) throw error;
      await attempt();
    }
  };
  await retryOnConflict(patient, { clock });
}
