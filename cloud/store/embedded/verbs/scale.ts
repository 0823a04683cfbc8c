/** Owns the scale subresource of custom kinds: replicas read from and written to the paths that their definition names. */
import type { KubeObject } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { JSON_TYPE, jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget } from '../engine.ts';
import { dig, isRecord, own, setOwn, textAt } from '../json-value.ts';
import { compileJsonPath } from '../json-path.ts';
import type { ScalePaths } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { selectorText } from '../kinds/workload-columns.ts';
import { readObject } from '../negotiation.ts';
import { internal, invalid, invalidValue, notFound } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import type { Managers } from '../managed-fields/managers.ts';
import { dryRunOf } from './admission.ts';
import { applyOver, isApply, readApplied } from './apply.ts';
import { applyPatch, readPatch } from './patch.ts';
import { replace } from './write.ts';

const SCALE = { group: 'autoscaling', kind: 'Scale' };

/** GET, PUT and PATCH; `paths` are those of the kind. */
export async function scaleObject(engine: Engine, target: ItemTarget & { paths: ScalePaths }, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, namespace, paths } = target;
  const applies = request.method === 'PATCH' && isApply(request);
  const body = applies
    ? await readApplied(request)
    : request.method === 'PUT'
      ? await readObject(request, { kind: 'Scale', custom: false })
      : undefined;
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) throw notFound(kind, name);
  const object = parseObject(stored, groupVersionOf(kind));
  if (request.method === 'GET') return jsonAnswer(200, scaleOf(object, paths));
  const dryRun = dryRunOf(request.query.getAll('dryRun'), 'UpdateOptions');
  const wanted = body ?? patched(object, paths, request);
  const { object: next, managers } = withReplicas(engine, target, { object, wanted, applies, request });
  const version = textAt(wanted, 'metadata', 'resourceVersion');
  if (version !== '') next.metadata.resourceVersion = version;
  const plain = { ...request, accept: JSON_TYPE };
  const change = { target: { ...target, subresource: undefined }, stored, next, request: plain, dryRun } as const;
  const managing = { recordedAs: 'scale', ...(managers === undefined ? {} : { managers }) };
  const answer = await replace(engine, { ...change, ...managing, validation: 'Ignore', patched: true });
  if (!('body' in answer)) return answer;
  return jsonAnswer(200, scaleOf(JSON.parse(answer.body) as KubeObject, paths));
}

interface Scaling {
  /** May be changed. */
  object: KubeObject;
  /** A Scale. */
  wanted: unknown;
  applies: boolean;
  request: ApiRequest;
}

/** Who applies a Scale owns the replicas of the object, by the path `scale`. */
function withReplicas(
  engine: Engine,
  target: ItemTarget & { paths: ScalePaths },
  { object, wanted, applies, request }: Scaling,
): { object: KubeObject; managers?: Managers } {
  const replicas = dig(wanted, 'spec', 'replicas');
  const { name, paths } = target;
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
    throw invalid({ ...SCALE, name }, [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')]);
  }
  if (!applies) {
    setAt(object, paths.specReplicasPath, replicas);
    return { object };
  }
  const asked: KubeObject = { apiVersion: object.apiVersion, kind: object.kind, metadata: { name } };
  setAt(asked, paths.specReplicasPath, replicas);
  const { object: next, managers } = applyOver(engine, target, { live: object, wanted: asked, request });
  return { object: next as KubeObject, managers };
}

function patched(object: KubeObject, paths: ScalePaths, request: ApiRequest): unknown {
  const { type, patch } = readPatch(request, { custom: true });
  const [replicas = 0] = hits(object, paths.specReplicasPath);
  const document = { ...shell(object), spec: { replicas }, status: {} };
  return applyPatch(type, { document, patch });
}

/** Throws 500 where the object has no replicas yet, as the real server does. */
function scaleOf(object: KubeObject, paths: ScalePaths): Record<string, unknown> {
  const [replicas] = hits(object, paths.specReplicasPath);
  if (replicas === undefined) throw internal(`the spec replicas field ${JSON.stringify(paths.specReplicasPath)} does not exist`);
  const [running = 0] = hits(object, paths.statusReplicasPath);
  const [selector] = paths.labelSelectorPath === undefined ? [] : hits(object, paths.labelSelectorPath);
  // Workloads have a selector of labels there, definitions name a text.
  const shown = isRecord(selector) ? selectorText(selector) : selector;
  return { ...shell(object), spec: { replicas }, status: { replicas: running, ...(shown === undefined ? {} : { selector: shown }) } };
}

function shell({ metadata }: KubeObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  const shown = Object.fromEntries(
    Object.entries({ name, namespace, uid, resourceVersion, creationTimestamp }).filter(([, value]) => value !== undefined),
  );
  return { kind: 'Scale', apiVersion: 'autoscaling/v1', metadata: { ...shown, name } };
}

function hits(object: KubeObject, path: string): unknown[] {
  return compileJsonPath(path)?.(object) ?? [];
}

/** Scale paths are plain: `.spec.replicas`. */
function setAt(object: KubeObject, path: string, value: number): void {
  const keys = path.split('.').filter((key) => key !== '');
  const last = keys.pop();
  if (last === undefined) return;
  let holder: Record<string, unknown> = object;
  for (const key of keys) {
    const next = own(holder, key);
    const inside = isRecord(next) ? next : {};
    setOwn(holder, key, inside);
    holder = inside;
  }
  setOwn(holder, last, value);
}
