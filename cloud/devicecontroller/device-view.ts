/** Owns what the controller derives from one Device and its DeviceModel: profile, binding, and the hashes that tell what changed. */
import { createHash } from 'node:crypto';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsOf, listOf } from '#device-models/fields.ts';
import { readProfile, type Problem } from '#device-models/read-profile.ts';
import { keyOf, type KubeObject } from '../store/kube-api.ts';

export interface DeviceView {
  /** `namespace/name`. */
  readonly key: string;
  readonly uid: string;
  readonly namespace: string;
  /** The device id on all topics. */
  readonly name: string;
  /** undefined: the Device names no node. */
  readonly node: string | undefined;
  /** Exactly as the API gave it; never changed. */
  readonly object: KubeObject;
  /** The model that the profile was read with; the last known one while the DeviceModel is missing. */
  readonly model: KubeObject | undefined;
  readonly modelMissing: boolean;
  readonly profile: DeviceProfile;
  readonly problems: readonly Problem[];
  readonly resourceVersion: number;
  /** Hash over everything of the profile but desired values. */
  readonly definition: string;
  /** Hash over the desired texts. */
  readonly desired: string;
  /** Hash over both: what an edge stores and offers on its next connect. */
  readonly hash: string;
  /** Properties that have a twin in the object itself: all that a KubeEdge edge is told. */
  readonly twins: readonly string[];
}

/** `namespace/name` of the DeviceModel of a Device; undefined when it names none. */
export function modelKeyOf(device: KubeObject): string | undefined {
  const reference = fieldsOf(fieldsOf(device['spec'])?.['deviceModelRef'])?.['name'];
  return typeof reference === 'string' && reference !== '' ? keyOf({ namespace: device.metadata.namespace, name: reference }) : undefined;
}

/** Pure. `model` undefined = missing; `lastModel` is then used, so that a model that is replaced takes no property away meanwhile. */
export function viewOf(object: KubeObject, model: KubeObject | undefined, lastModel?: KubeObject): DeviceView {
  const used = model ?? lastModel;
  const { profile, problems } = readProfile(used === undefined ? object : withoutReported(object), used);
  const { uid = '', name, namespace = 'default' } = object.metadata;
  const definition = hashOf({ ...profile, properties: profile.properties.map(({ desired: _desired, ...rest }) => rest) });
  const desired = hashOf(profile.properties.flatMap(({ name: property, desired: wanted }) => (wanted ? [[property, wanted.value]] : [])));
  return {
    key: keyOf(object.metadata),
    uid,
    namespace,
    name,
    node: profile.node,
    object,
    model: used,
    modelMissing: model === undefined && modelKeyOf(object) !== undefined,
    profile,
    problems,
    resourceVersion: Number(object.metadata.resourceVersion ?? 0),
    definition,
    desired,
    hash: hashOf([uid, definition, desired]),
    twins: twinNames(object),
  };
}

/**
 * What the edge reported must not come back down as a definition: an entry of `status.twins` without a desired value adds nothing to a
 * device whose model is known (it may be there only because we wrote a report into it).
 */
function withoutReported(object: KubeObject): KubeObject {
  const status = fieldsOf(object['status']);
  const twins = status?.['twins'];
  if (status === undefined || !Array.isArray(twins)) return object;
  const wanted = twins.flatMap((twin) => {
    const { reported: _reported, observedDesired: _observed, ...rest } = fieldsOf(twin) ?? {};
    return rest['desired'] === undefined ? [] : [rest];
  });
  return { ...object, status: { ...status, twins: wanted } };
}

function twinNames(object: KubeObject): string[] {
  const names = (list: unknown, field: string): string[] =>
    listOf(list).flatMap((entry) => {
      const name = fieldsOf(entry)?.[field];
      return typeof name === 'string' ? [name] : [];
    });
  const status = names(fieldsOf(object['status'])?.['twins'], 'propertyName');
  const spec = names(fieldsOf(object['spec'])?.['properties'], 'name');
  return [...new Set([...spec, ...status])];
}

function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24);
}
