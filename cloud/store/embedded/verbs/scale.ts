/** Owns the scale subresource of custom kinds: replicas read from and written to the paths that their definition names. */
import type { KubeObject } from '../../kube-api.ts';
import type { ApiAnswer, ApiRequest } from '../api-request.ts';
import { JSON_TYPE, jsonAnswer } from '../api-request.ts';
import type { Engine, ItemTarget } from '../engine.ts';
import { dig, isRecord, own, setOwn, textAt } from '../json-value.ts';
import { compileJsonPath } from '../json-path.ts';
import type { ScalePaths } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { readObject } from '../negotiation.ts';
import { internal, invalid, invalidValue, notFound } from '../status.ts';
import { parseObject } from '../stored-object.ts';
import { dryRunOf } from './admission.ts';
import { applyPatch, readPatch } from './patch.ts';
import { replace } from './write.ts';

const SCALE = { group: 'autoscaling', kind: 'Scale' };

/** GET, PUT and PATCH; `paths` are those of the kind. */
export async function scaleObject(engine: Engine, target: ItemTarget & { paths: ScalePaths }, request: ApiRequest): Promise<ApiAnswer> {
  const { kind, name, namespace, paths } = target;
  const body = request.method === 'PUT' ? await readObject(request, { kind: 'Scale', custom: false }) : undefined;
  const stored = engine.store.get(kind.resource, namespace ?? '', name);
  if (stored === undefined) throw notFound(kind, name);
  const object = parseObject(stored, groupVersionOf(kind));
  if (request.method === 'GET') return jsonAnswer(200, scaleOf(object, paths));
  const dryRun = dryRunOf(request.query.getAll('dryRun'), 'UpdateOptions');
  const wanted = body ?? patched(object, paths, request);
  const replicas = dig(wanted, 'spec', 'replicas');
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
    throw invalid({ ...SCALE, name }, [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')]);
  }
  setAt(object, paths.specReplicasPath, replicas);
  const version = textAt(wanted, 'metadata', 'resourceVersion');
  if (version !== '') object.metadata.resourceVersion = version;
  const plain = { ...request, accept: JSON_TYPE };
  const change = { target: { ...target, subresource: undefined }, stored, next: object, request: plain, dryRun } as const;
  const answer = await replace(engine, { ...change, validation: 'Ignore', patched: true });
  if (!('body' in answer)) return answer;
  return jsonAnswer(200, scaleOf(JSON.parse(answer.body) as KubeObject, paths));
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
  return { ...shell(object), spec: { replicas }, status: { replicas: running, ...(selector === undefined ? {} : { selector }) } };
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
