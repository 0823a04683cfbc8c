/** Owns the question to the API itself whether a node is to have an object: a copy may lag behind what another replica knew. */
import {
  isKubeError,
  keyOf,
  pods,
  services,
  type KubeApi,
  type KubeObject,
  type ListOptions,
  type ResourceType,
} from '../../store/kube-api.ts';
import { downTypes, parseDownKey, type DownName } from './down-key.ts';
import { nodeOf, referencesOf, selects } from './references.ts';

const PAGE = 500;

export async function listAll(api: KubeApi, type: ResourceType, options: ListOptions): Promise<KubeObject[]> {
  const found: KubeObject[] = [];
  let token: string | undefined;
  do {
    const page = await api.list(type, { ...options, limit: PAGE, ...(token === undefined ? {} : { continue: token }) });
    found.push(...page.items);
    token = page.continue === '' ? undefined : page.continue;
  } while (token !== undefined);
  return found;
}

/** Of these keys those that the node is not to have: deleted, or used by none of its pods. */
export async function confirmUnwanted(
  api: KubeApi,
  { node, keys, signal }: { node: string; keys: readonly string[]; signal: AbortSignal },
): Promise<Set<string>> {
  const found = await listAll(api, pods, { fieldSelector: `spec.nodeName=${node}`, signal });
  const own = found.filter((pod) => nodeOf(pod) === node);
  const bound = new Set(own.map(({ metadata }) => keyOf(metadata)));
  const used = new Set(own.flatMap(referencesOf));
  const unwanted = new Set<string>();
  for (const key of keys) {
    const name = parseDownKey(key);
    if (name === undefined) continue;
    if (name.type === 'pod' ? !bound.has(keyOf(name)) : !(await isWanted(name, key))) unwanted.add(key);
  }
  return unwanted;

  async function isWanted(name: DownName, key: string): Promise<boolean> {
    switch (name.type) {
      case 'node':
        return name.name === node;
      case 'service':
      case 'endpoints': {
        const service = await find(api, services, { name, signal });
        const pod = own.find((each) => each.metadata.namespace === name.namespace && service !== undefined && selects(service, each));
        return pod !== undefined && (name.type === 'service' || (await exists(name)));
      }
      default:
        return used.has(key) && (await exists(name));
    }
  }

  async function exists(name: DownName): Promise<boolean> {
    const type = downTypes.get(name.type);
    return type !== undefined && (await find(api, type, { name, signal })) !== undefined;
  }
}

async function find(
  api: KubeApi,
  type: ResourceType,
  { name: { namespace, name }, signal }: { name: DownName; signal: AbortSignal },
): Promise<KubeObject | undefined> {
  try {
    return await api.get(type, { namespace, name }, { signal });
  } catch (error) {
    if (isKubeError(error, 'NotFound')) return undefined;
    throw error;
  }
}
