/** Owns our custom resource definitions in the API: installed when missing, brought up to date where they are ours. */
import { HiveletError, isHiveletError } from '#beehive/errors.ts';
import type { Context } from '#beehive/module.ts';
import { CONTENT, OUR_ANNOTATIONS, readDefinitions } from '#device-models/definitions.ts';
import { fieldsOf, listOf } from '#device-models/fields.ts';
import { customResourceDefinitions, isKubeError, type KubeApi, type KubeObject, type KubeObjectInput } from '../store/kube-api.ts';

const RETRY_MS = 1000;
const REMEDY = 'run `hivelet crds | kubectl apply -f -` as an administrator';

/**
 * Waits for the API as long as that takes. On a cluster that KubeEdge installed its own definitions in, those stay: they belong to
 * somebody else. Answers the best version of each kind, by plural. Throws what the API answers when waiting cannot help, and the reason of
 * the signal when that aborts.
 */
export async function installDefinitions(
  api: KubeApi,
  folder: string,
  context: Pick<Context, 'clock' | 'log' | 'signal'>,
): Promise<Map<string, string>> {
  const { clock, log, signal } = context;
  const versions = new Map<string, string>();
  for (const { object: definition } of readDefinitions(folder)) {
    for (;;) {
      try {
        const [plural, version] = bestVersion(await install(api, definition, context));
        versions.set(plural, version);
        break;
      } catch (error) {
        signal.throwIfAborted();
        if (isHiveletError(error, 'NOT_FOUND') || isKubeError(error, 'Forbidden', 'Unauthorized', 'Invalid', 'BadRequest')) throw error;
        log.warn('crd.waiting', { name: definition.metadata.name, error });
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }
  return versions;
}

/** The definition as the API has it then. */
async function install(
  api: KubeApi,
  definition: KubeObjectInput,
  { log, signal }: Pick<Context, 'log' | 'signal'>,
): Promise<KubeObjectInput> {
  const { name = '', annotations } = definition.metadata;
  const present = await find(api, name, signal);
  if (present === undefined) {
    await create(api, definition, signal);
    log.info('crd.installed', { name });
  } else if (!isOurs(present)) {
    log.warn('crd.foreign', { name, reason: 'left as it is; it may prune fields that it does not know' });
    return present;
  } else if (present.metadata.annotations?.[CONTENT] !== annotations?.[CONTENT]) {
    const { resourceVersion } = present.metadata;
    const metadata = { ...definition.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    try {
      await api.update(customResourceDefinitions, { ...definition, metadata }, { signal });
    } catch (error) {
      if (!isKubeError(error, 'Forbidden')) throw error;
      log.warn('crd.outdated', { name, reason: `it is another version's, and may not be changed from here: ${REMEDY}` });
      return present;
    }
    log.info('crd.updated', { name });
  }
  return definition;
}

/** On a cluster definitions are the business of its administrator. */
async function create(api: KubeApi, definition: KubeObjectInput, signal: AbortSignal): Promise<void> {
  try {
    await api.create(customResourceDefinitions, definition, { signal });
  } catch (error) {
    if (!isKubeError(error, 'Forbidden')) throw error;
    const { name = '' } = definition.metadata;
    throw new HiveletError('NOT_FOUND', `${name} is missing, and may not be created from here: ${REMEDY}`, { cause: error });
  }
}

/** Plural, and the version that clients prefer where several are served: v1 before v1beta1 before v1alpha2. */
function bestVersion({ spec }: KubeObjectInput): [plural: string, version: string] {
  const rank = (version: string): number => {
    const [, major = '0', stage = '', minor = '0'] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? [];
    return ['alpha', 'beta', ''].indexOf(stage) * 1e6 + Number(major) * 1e3 + Number(minor);
  };
  const served = listOf(fieldsOf(spec)?.['versions']).flatMap((entry) => {
    const { name, served: isServed } = fieldsOf(entry) ?? {};
    return typeof name === 'string' && isServed === true ? [name] : [];
  });
  const plural = fieldsOf(fieldsOf(spec)?.['names'])?.['plural'];
  return [typeof plural === 'string' ? plural : '', served.sort((left, right) => rank(right) - rank(left))[0] ?? ''];
}

async function find(api: KubeApi, name: string, signal: AbortSignal): Promise<KubeObject | undefined> {
  try {
    return await api.get(customResourceDefinitions, { name }, { signal });
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}

function isOurs({ metadata }: KubeObject): boolean {
  return Object.keys(metadata.annotations ?? {}).some((key) => key.startsWith(OUR_ANNOTATIONS));
}
