/** Owns where the verbs meet webhooks: asking about a write or a deletion, and doing it again when the object changed meanwhile. */
import { KubeError } from '../../kube-api.ts';
import type { KubeObject } from '../../kube-api.ts';
import type { ApiRequest } from '../api-request.ts';
import type { Engine } from '../engine.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { conflict } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import type { StoredObject } from '../stored-object.ts';

export interface AskedWrite {
  kind: Kind;
  subresource?: string | undefined;
  /** As it would be stored. */
  object: KubeObject;
  /** Absent when it is created. */
  before?: { stored: StoredObject; object: KubeObject };
  request: ApiRequest;
  dryRun: boolean;
}

export interface AskedDeletion {
  kind: Kind;
  stored: StoredObject;
  request: ApiRequest;
  dryRun: boolean;
}

const ATTEMPTS = 10;

/** The object changed while webhooks looked at it. A client that hears of it is told of a conflict. */
class Overtaken extends KubeError {}

/** Does the verb again, from reading the object on, when that changed while webhooks were asked. */
export async function whileOvertaken<T>(verb: () => T | Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await verb();
    } catch (error) {
      if (!(error instanceof Overtaken) || attempt >= ATTEMPTS) throw error;
    }
  }
}

/**
 * Undefined when no webhook is for it: nothing is read or awaited then. Else the warnings; rejects with a refusal, or where the stored
 * object is not the one that was judged any more.
 */
export function askAboutWrite(engine: Engine, write: AskedWrite): Promise<string[]> | undefined {
  const { kind, subresource, object, before, request, dryRun } = write;
  const asked = engine.webhooks.admit({
    kind,
    subresource,
    namespace: object.metadata.namespace,
    name: object.metadata.name,
    operation: before === undefined ? 'CREATE' : 'UPDATE',
    user: request.user,
    object,
    ...(before === undefined ? {} : { previous: before.object }),
    dryRun,
    options: optionsOf(request, before === undefined ? 'CreateOptions' : request.method === 'PATCH' ? 'PatchOptions' : 'UpdateOptions'),
  });
  return before === undefined ? asked : asked?.then((warnings) => unlessOvertaken(engine, { kind, stored: before.stored }, warnings));
}

/** As `askAboutWrite`. */
export function askAboutDeletion(engine: Engine, { kind, stored, request, dryRun }: AskedDeletion): Promise<string[]> | undefined {
  const asked = engine.webhooks.admit({
    kind,
    subresource: undefined,
    namespace: stored.namespace === '' ? undefined : stored.namespace,
    name: stored.name,
    operation: 'DELETE',
    user: request.user,
    // Read only when somebody asks for it.
    get previous() {
      return parseObject(stored, groupVersionOf(kind));
    },
    dryRun,
    options: optionsOf(request, 'DeleteOptions'),
  });
  return asked?.then((warnings) => unlessOvertaken(engine, { kind, stored }, warnings));
}

function unlessOvertaken(engine: Engine, { kind, stored }: { kind: Kind; stored: StoredObject }, warnings: string[]): string[] {
  if (engine.store.get(kind.resource, stored.namespace, stored.name) === stored) return warnings;
  throw new Overtaken(conflict(kind, stored.name).status);
}

function optionsOf({ query }: ApiRequest, kind: string): Record<string, unknown> {
  const dryRun = query.getAll('dryRun').filter((value) => value !== '');
  const named = ['fieldManager', 'fieldValidation'].flatMap((name): [string, string][] => {
    const value = query.get(name) ?? '';
    return value === '' ? [] : [[name, value]];
  });
  return { kind, apiVersion: 'meta.k8s.io/v1', ...(dryRun.length > 0 ? { dryRun } : {}), ...Object.fromEntries(named) };
}
