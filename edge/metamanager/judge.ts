/** Owns whether an object from the cloud is taken: never an older version after a newer one, and a deletion takes only what it names. Pure. */
import { isRecord, type BeehiveMessage } from '#wire/message.ts';
import { operation } from '#wire/resources.ts';
import type { ObjectVersion } from '../store/object-versions.ts';

export type Verdict =
  | { do: 'put' | 'delete'; /** What is known of the object afterwards; undefined = nothing. */ version: ObjectVersion | undefined }
  /** The edge has this or something newer: acknowledged, and nothing is written. */
  | { do: 'nothing'; why: 'older' | 'same' | 'another object' };

/** What a message says of its object; undefined: it is no object of Kubernetes, or its version is no number. */
export function versionIn({ header, content }: BeehiveMessage): { uid: string; version: number } | undefined {
  const metadata = isRecord(content) && isRecord(content['metadata']) ? content['metadata'] : {};
  const { uid, resourceVersion } = metadata;
  const version = Number(header.resourceversion ?? resourceVersion);
  if (typeof uid !== 'string' || uid === '' || !Number.isSafeInteger(version) || version < 0) return undefined;
  return { uid, version };
}

/** `cluster`: uid of the cluster of our own cloud; '' for a KubeEdge cloud, whose rules are: whatever comes last counts. */
export function judge(known: ObjectVersion | undefined, message: BeehiveMessage, cluster: string): Verdict {
  const isDelete = message.route.operation === operation.delete;
  const told = cluster === '' ? undefined : versionIn(message);
  if (told === undefined) return { do: isDelete ? 'delete' : 'put', version: undefined };
  const comparable = known?.cluster === cluster ? known : undefined;
  if (isDelete) {
    if (comparable?.gone === false && comparable.uid !== told.uid) return { do: 'nothing', why: 'another object' };
    return { do: 'delete', version: { ...told, cluster, version: Math.max(told.version, comparable?.version ?? 0), gone: true } };
  }
  // An API counts for all its objects, so a version is older also than that of another object under the same name.
  if (comparable !== undefined && told.version < comparable.version) return { do: 'nothing', why: 'older' };
  if (comparable?.gone === false && told.version === comparable.version && told.uid === comparable.uid) {
    return { do: 'nothing', why: 'same' };
  }
  return { do: 'put', version: { ...told, cluster, gone: false } };
}
