/** Owns how a Device names a password, key or certificate: by a file below the board's folder of secrets, or by a Secret of the cluster. Pure. */
import { HiveletError } from '#beehive/errors.ts';
import { fieldsOf, listOf } from './fields.ts';

export type SecretReference =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'secret'; readonly namespace: string; readonly name: string; readonly key: string };

/** A Secret that devices may name carries this label: who may edit a Device only must not be able to send any Secret anywhere. */
export const FOR_DEVICES = { label: 'hivelet.dev/for-devices', value: 'true' } as const;

const PREFIX = 'secret:';
const NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/**
 * `at` is the field, for the error. Throws PROFILE_INVALID. What was written is not told: who writes the password itself there must not
 * find it in a log.
 */
export function readSecretReference(written: string, at: string): SecretReference {
  const text = written.trim();
  if (!text.startsWith(PREFIX)) return { kind: 'file', file: text };
  const [, namespace = '', name = '', key = ''] = /^secret:([^/#]+)\/([^/#]+)#([^/#]+)$/.exec(text) ?? [];
  if (!NAME.test(namespace) || !NAME.test(name) || !KEY.test(key)) {
    throw new HiveletError('PROFILE_INVALID', `${at}: is no reference to a Secret: write secret:NAMESPACE/NAME#KEY`, {
      facts: { path: at },
    });
  }
  return { kind: 'secret', namespace, name, key };
}

/** Every Secret that some text below names, once; what is no reference is left out. Deeper than a Device can be written, it ends. */
export function secretsNamedIn(value: unknown): { namespace: string; name: string }[] {
  const found = new Map<string, { namespace: string; name: string }>();
  const visit = (each: unknown, depth: number): void => {
    if (depth > 16) return;
    if (typeof each === 'string') return note(each, found);
    for (const item of listOf(each)) visit(item, depth + 1);
    for (const item of Object.values<unknown>(fieldsOf(each) ?? {})) visit(item, depth + 1);
  };
  visit(value, 0);
  return [...found.values()];
}

function note(text: string, found: Map<string, { namespace: string; name: string }>): void {
  if (!text.trim().startsWith(PREFIX)) return;
  try {
    const reference = readSecretReference(text, '');
    if (reference.kind === 'secret') {
      const { namespace, name } = reference;
      found.set(`${namespace}/${name}`, { namespace, name });
    }
  } catch {
    // Whoever uses the field tells what is wrong with it.
  }
}

/** What is wrong when the device names a Secret of another namespace: its own is all that its authors may be trusted with. */
export function foreignSecret(config: unknown, namespace: string): string | undefined {
  const foreign = secretsNamedIn(config).find((secret) => secret.namespace !== namespace);
  if (foreign === undefined) return undefined;
  return `names the Secret ${foreign.namespace}/${foreign.name}, but the Device is in namespace ${namespace}: copy the Secret there`;
}

/** Throws PROFILE_INVALID for it. */
export function checkSecretNamespaces(config: unknown, { namespace, at }: { namespace: string; at: string }): void {
  const fault = foreignSecret(config, namespace);
  if (fault !== undefined) throw new HiveletError('PROFILE_INVALID', `${at}: ${fault}`, { facts: { path: at } });
}
