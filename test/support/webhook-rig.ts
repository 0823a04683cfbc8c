/** Owns an embedded API with one webhook beside it: configurations that come and go with each test, and what was asked and logged. */
import { systemClock } from '#beehive/clock.ts';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { configmaps, isKubeError, type KubeError, type KubeObjectInput, type ResourceType } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from './api-server.ts';
import { ALLOWED, startWebhook, webhookConfiguration, webhookConfigurations, type TestWebhook } from './webhook-server.ts';

export const NAME = { namespace: 'default', name: 'c' };
/** What a rule is for in these tests, unless a test says otherwise. */
export const RULE = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] };

export interface WebhookRig {
  api: TestApiServer;
  hook: TestWebhook;
  lines: LogLine[];
  /** With this one configuration; objects, records and lines of the test before are gone. */
  configured(parts: Record<string, unknown>, answer?: TestWebhook['answer']): Promise<void>;
  clean(): Promise<void>;
  close(): Promise<void>;
}

export async function startWebhookRig(): Promise<WebhookRig> {
  const lines: LogLine[] = [];
  const api = await startApiServer({ log: createLogger({ clock: systemClock, level: 'debug', write: (line) => void lines.push(line) }) });
  const hook = await startWebhook({ names: ['check.tools.svc'] });
  await installDefinitions(api.client);
  const clean = async (): Promise<void> => {
    const { client } = rig.api;
    for (const { metadata } of (await client.list(webhookConfigurations)).items) await client.delete(webhookConfigurations, metadata);
    for (const { metadata } of (await client.list(configmaps, { namespace: 'default' })).items) await client.delete(configmaps, metadata);
    hook.asked.length = 0;
    lines.length = 0;
  };
  const rig: WebhookRig = {
    api,
    hook,
    lines,
    clean,
    configured: async (parts, answer = ALLOWED) => {
      await clean();
      hook.answer = answer;
      const clientConfig = { url: hook.url, caBundle: hook.caBundle };
      await rig.api.client.create(webhookConfigurations, webhookConfiguration({ clientConfig, ...parts }));
    },
    close: async () => {
      await rig.api.close();
      await hook.close();
    },
  };
  return rig;
}

export function configMap(data: Record<string, string> = {}, labels?: Record<string, string>): KubeObjectInput {
  return { metadata: { ...NAME, ...(labels === undefined ? {} : { labels }) }, data };
}

export function coreType(plural: string, kind: string, namespaced = true): ResourceType {
  return { group: '', version: 'v1', plural, kind, namespaced };
}

/** The refusal of an attempt that must fail. */
export async function failure(attempt: Promise<unknown>): Promise<KubeError> {
  try {
    await attempt;
  } catch (error) {
    if (isKubeError(error)) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
