/** Owns what a pod uses: the configmaps and secrets that its spec names, and whether a service selects it. Pure. */
import { fieldsOf, listOf, type Fields } from '#device-models/fields.ts';
import type { KubeObject } from '../../store/kube-api.ts';
import { downKey } from './down-key.ts';

/** Volumes that name a secret in a field of theirs, by kind of volume; `secretRef`, `nodePublishSecretRef` hold a `name`. */
const SECRET_REFS = ['secretRef', 'nodePublishSecretRef'] as const;

/** Keys of the configmaps and secrets that the pod's volumes, environment and image pulls name, each once. */
export function referencesOf(pod: KubeObject): string[] {
  const spec = fieldsOf(pod['spec']) ?? {};
  const keys = new Set<string>();
  const add = (type: 'configmap' | 'secret', name: unknown): void => {
    if (typeof name === 'string' && name !== '') keys.add(downKey(type, { namespace: pod.metadata.namespace ?? 'default', name }));
  };
  for (const volume of mappings(spec['volumes'])) addVolume(volume, add);
  for (const containers of ['initContainers', 'containers', 'ephemeralContainers']) {
    for (const container of mappings(spec[containers])) addContainer(container, add);
  }
  for (const { name } of mappings(spec['imagePullSecrets'])) add('secret', name);
  return [...keys];
}

type Add = (type: 'configmap' | 'secret', name: unknown) => void;

function addVolume(volume: Fields, add: Add): void {
  add('configmap', fieldsOf(volume['configMap'])?.['name']);
  add('secret', fieldsOf(volume['secret'])?.['secretName']);
  add('secret', fieldsOf(volume['azureFile'])?.['secretName']);
  for (const source of mappings(fieldsOf(volume['projected'])?.['sources'])) {
    add('configmap', fieldsOf(source['configMap'])?.['name']);
    add('secret', fieldsOf(source['secret'])?.['name']);
  }
  for (const kind of Object.values(volume)) {
    for (const field of SECRET_REFS) add('secret', fieldsOf(fieldsOf(kind)?.[field])?.['name']);
  }
}

function addContainer(container: Fields, add: Add): void {
  for (const source of mappings(container['envFrom'])) {
    add('configmap', fieldsOf(source['configMapRef'])?.['name']);
    add('secret', fieldsOf(source['secretRef'])?.['name']);
  }
  for (const variable of mappings(container['env'])) {
    const from = fieldsOf(variable['valueFrom']);
    add('configmap', fieldsOf(from?.['configMapKeyRef'])?.['name']);
    add('secret', fieldsOf(from?.['secretKeyRef'])?.['name']);
  }
}

/** Name of the node that the pod is bound to; '' while it is not. */
export function nodeOf(pod: KubeObject): string {
  const name = fieldsOf(pod['spec'])?.['nodeName'];
  return typeof name === 'string' ? name : '';
}

/** A service without a selector selects nothing. Namespaces are not compared. */
export function selects(service: KubeObject, pod: KubeObject): boolean {
  const wanted = Object.entries(fieldsOf(fieldsOf(service['spec'])?.['selector']) ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => pod.metadata.labels?.[key] === value);
}

function mappings(value: unknown): Fields[] {
  return listOf(value)
    .map(fieldsOf)
    .filter((each) => each !== undefined);
}
