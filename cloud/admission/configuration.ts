/** Owns the ValidatingWebhookConfiguration `hivelet-devices`: what it says, and bringing it into the API. */
import { createHash } from 'node:crypto';
import type { KubeApi, KubeObject, KubeObjectInput, ResourceType } from '../store/kube-api.ts';
import { isKubeError } from '../store/kube-api.ts';

/** How the API server reaches us. */
export type Reach = { url: string } | { service: { namespace: string; name: string; path: string; port?: number } };

export const webhookConfigurations: ResourceType = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  namespaced: false,
};

export const CONFIGURATION = 'hivelet-devices';
const WEBHOOK = 'devices.hivelet.dev';
/** Fingerprint of what we wrote: what somebody tuned since, such as the failure policy, stays. */
const CONTENT = 'hivelet.dev/content';
const DEVICES = { apiGroups: ['devices.kubeedge.io'], apiVersions: ['*'], scope: 'Namespaced' };

/** `ca`: PEM of the authority of our certificate. */
export function configurationFor(reach: Reach, ca: string): KubeObjectInput {
  const webhook = {
    name: WEBHOOK,
    clientConfig: { ...reach, caBundle: Buffer.from(ca).toString('base64') },
    rules: [
      { ...DEVICES, operations: ['CREATE', 'UPDATE'], resources: ['devices', 'devicemodels'] },
      { ...DEVICES, operations: ['DELETE'], resources: ['devicemodels'] },
    ],
    // A device must be changeable while cloudcore restarts, and its conditions say the same.
    failurePolicy: 'Ignore',
    matchPolicy: 'Equivalent',
    sideEffects: 'None',
    timeoutSeconds: 3,
    admissionReviewVersions: ['v1'],
  };
  const content = createHash('sha256').update(JSON.stringify(webhook)).digest('hex').slice(0, 16);
  return { metadata: { name: CONFIGURATION, annotations: { [CONTENT]: content } }, webhooks: [webhook] };
}

/** Creates it, or brings it up to date where it is not what we wrote last. Rejects as the API does. */
export async function installConfiguration(
  api: KubeApi,
  wanted: KubeObjectInput,
  signal: AbortSignal,
): Promise<'created' | 'updated' | 'kept'> {
  const present = await find(api, signal);
  if (present === undefined) {
    await api.create(webhookConfigurations, wanted, { signal });
    return 'created';
  }
  if (present.metadata.annotations?.[CONTENT] === wanted.metadata.annotations?.[CONTENT] && sameClient(present, wanted)) return 'kept';
  const { resourceVersion, labels, annotations } = present.metadata;
  const metadata = {
    ...wanted.metadata,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(labels === undefined ? {} : { labels }),
    annotations: { ...annotations, ...wanted.metadata.annotations },
  };
  await api.update(webhookConfigurations, { ...wanted, metadata }, { signal });
  return 'updated';
}

async function find(api: KubeApi, signal: AbortSignal): Promise<KubeObject | undefined> {
  try {
    return await api.get(webhookConfigurations, { name: CONFIGURATION }, { signal });
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Whether calls come to us. The server adds defaults, so that only what we said is compared. */
function sameClient(present: KubeObject, wanted: KubeObjectInput): boolean {
  const client = (object: KubeObjectInput): string => {
    const [webhook] = Array.isArray(object['webhooks']) ? (object['webhooks'] as Record<string, Record<string, unknown>>[]) : [];
    const { url, caBundle, service } = (webhook?.['clientConfig'] ?? {}) as { url?: unknown; caBundle?: unknown; service?: object };
    const { namespace, name, path } = (service ?? {}) as Record<string, unknown>;
    return JSON.stringify([url, caBundle, namespace, name, path]);
  };
  return client(present) === client(wanted);
}
