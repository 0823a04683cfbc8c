/** Owns the deletion of CustomResourceDefinitions: their objects go with them, or first where something holds those. */
import type { KubeObject } from '../../kube-api.ts';
import type { Engine } from '../engine.ts';
import { timeText } from '../engine.ts';
import { listAt, textAt } from '../json-value.ts';
import { copyOf } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';

export const DEFINITIONS = 'customresourcedefinitions.apiextensions.k8s.io';
/** The finalizer of a definition that waits for its objects. */
export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';
/** More objects go in parts. */
const AT_ONCE = 1000;

/** The name in the store of the objects of a definition. */
export function resourceOf(definition: KubeObject): string {
  return `${textAt(definition, 'spec', 'names', 'plural')}.${textAt(definition, 'spec', 'group')}`;
}

/** Resolves after the commit with the definition on its way, as the real server shows it, whether or not it is gone already. */
export async function deleteDefinition(engine: Engine, stored: StoredObject, dryRun: boolean): Promise<KubeObject> {
  const { store, clock } = engine;
  const object = copyOf(stored);
  if (stored.deleting) return object;
  const shown = terminating(copyOf(stored), timeText(clock.now()));
  if (dryRun) return shown;
  const resource = resourceOf(object);
  const objects = store.list(resource);
  const others = object.metadata.finalizers ?? [];
  if (others.length > 0 || objects.length > AT_ONCE || objects.some(isHeld)) {
    const { stored: marked, done } = store.write({ resource: DEFINITIONS, object: shown });
    await done;
    return copyOf(marked);
  }
  const removals = objects.map((each) => store.write({ resource, object: copyOf(each), remove: true }).done);
  removals.push(store.write({ resource: DEFINITIONS, object, remove: true }).done);
  await Promise.all(removals);
  return shown;
}

function terminating(object: KubeObject, now: string): KubeObject {
  const { metadata } = object;
  metadata.deletionTimestamp = now;
  metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), CLEANUP])];
  listAt(object, 'status', 'conditions').push({
    type: 'Terminating',
    status: 'True',
    lastTransitionTime: now,
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  });
  return object;
}

function isHeld(stored: StoredObject): boolean {
  return (copyOf(stored).metadata.finalizers ?? []).length > 0;
}
