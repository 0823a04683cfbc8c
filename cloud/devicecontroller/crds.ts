/** Owns the definitions of Device and DeviceModel in the API: installed when missing, brought up to date where they are ours. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { Context, Health, Module } from '#beehive/module.ts';
import { customResourceDefinitions, isKubeError, type KubeApi, type KubeObject, type KubeObjectInput } from '../store/kube-api.ts';

/** Definitions with such an annotation came from us. */
const OUR_ANNOTATIONS = 'hivelet.dev/';
const CONTENT = `${OUR_ANNOTATIONS}content`;
const RETRY_MS = 1000;

/**
 * The first module: everything after it finds its kinds. Waits for the API as long as that takes. On a cluster that KubeEdge installed its
 * own definitions in, those stay: they belong to somebody else.
 */
export class Definitions implements Module {
  readonly name = 'definitions';
  readonly #api: KubeApi;
  readonly #folder: string;

  /** `folder` holds the YAML files. */
  constructor(api: KubeApi, folder: string) {
    this.#api = api;
    this.#folder = folder;
  }

  async start({ clock, log, signal }: Context): Promise<void> {
    const files = readdirSync(this.#folder).filter((name) => name.endsWith('.yaml'));
    for (const file of files) {
      const definition = read(path.join(this.#folder, file));
      for (;;) {
        try {
          await this.#install(definition, { log, signal });
          break;
        } catch (error) {
          signal.throwIfAborted();
          if (isKubeError(error, 'Forbidden', 'Unauthorized', 'Invalid', 'BadRequest')) throw error;
          log.warn('crd.waiting', { name: definition.metadata.name, error });
          await clock.sleep(RETRY_MS, signal);
        }
      }
    }
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  health(): Health {
    return { ok: true };
  }

  async #install(definition: KubeObjectInput, { log, signal }: Pick<Context, 'log' | 'signal'>): Promise<void> {
    const { name = '', annotations } = definition.metadata;
    const present = await find(this.#api, name, signal);
    if (present === undefined) {
      await this.#api.create(customResourceDefinitions, definition, { signal });
      log.info('crd.installed', { name });
    } else if (!isOurs(present)) log.warn('crd.foreign', { name, reason: 'left as it is; it may prune fields that it does not know' });
    else if (present.metadata.annotations?.[CONTENT] !== annotations?.[CONTENT]) {
      const { resourceVersion } = present.metadata;
      const metadata = { ...definition.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
      await this.#api.update(customResourceDefinitions, { ...definition, metadata }, { signal });
      log.info('crd.updated', { name });
    }
  }
}

async function find(api: KubeApi, name: string, signal: AbortSignal): Promise<KubeObject | undefined> {
  try {
    return await api.get(customResourceDefinitions, { name }, { signal });
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** With the fingerprint of its text, by which an older version of it in the API is known. */
function read(file: string): KubeObjectInput {
  const text = readFileSync(file, 'utf8');
  const definition = parse(text) as KubeObjectInput;
  const content = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { ...definition, metadata: { ...definition.metadata, annotations: { ...definition.metadata.annotations, [CONTENT]: content } } };
}

function isOurs({ metadata }: KubeObject): boolean {
  return Object.keys(metadata.annotations ?? {}).some((key) => key.startsWith(OUR_ANNOTATIONS));
}
