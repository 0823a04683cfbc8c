/** Owns the faults that a Device has with its surroundings: a node that is not there, a name that another Device has on it. */
import { field, fieldsAt, nameOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { nodePath } from './node-selector.ts';
import type { Problem } from './problem.ts';

/** What makes one Device the owner of a name on a node: the oldest one has it, of two of the same second the one with the smaller uid. */
export interface Claim {
  namespace: string;
  name: string;
  node: string;
  /** '' while the API has not made it yet: it is the youngest then. */
  uid: string;
  created: string;
}

export interface Surroundings {
  /** Whether the node that the Device names is there; true when that is not known. */
  nodeKnown: boolean;
  /** Another Device of the same name on the same node. */
  rival: Claim | undefined;
}

/** In order of what to mend first. */
export function surroundingProblems(device: Fields, claim: Claim, { nodeKnown, rival }: Surroundings): Problem[] {
  const problems: Problem[] = [];
  const add = (path: string, shownAs: 'NameConflict' | 'NodeUnknown', message: string): void =>
    void problems.push({ severity: 'condition', path, message, shownAs });
  if (rival !== undefined) {
    const other = `${rival.namespace}/${rival.name}`;
    const [severity, which] = isOlder(rival, claim)
      ? (['condition', `${other} is older and has the name ${claim.name} on node ${claim.node}`] as const)
      : (['warn', `${other} is younger and loses the name ${claim.name} on node ${claim.node}`] as const);
    if (severity === 'condition') add('metadata.name', 'NameConflict', `${which}: rename one`);
    else problems.push({ severity, path: 'metadata.name', message: `${which}: rename one` });
  }
  if (!nodeKnown) add(nodePath(device), 'NodeUnknown', `there is no node ${claim.node} (yet): join it or name another one`);
  return problems;
}

/** The DeviceModel that the Device names is not there. */
export function modelMissing(reference: string, namespace: string): Problem {
  const message = `there is no DeviceModel ${reference} in namespace ${namespace}: create it`;
  return { severity: 'condition', path: 'spec.deviceModelRef.name', message, shownAs: 'ModelMissing' };
}

export function claimOf(device: Fields, node: string): Claim {
  const metadata = fieldsAt(device, 'metadata');
  return {
    namespace: nameOf(field(metadata, 'namespace')) ?? 'default',
    name: textOf(field(metadata, 'name')) ?? '',
    node,
    uid: textOf(field(metadata, 'uid')) ?? '',
    created: textOf(field(metadata, 'creationTimestamp')) ?? '',
  };
}

export function isOlder(left: Claim, right: Claim): boolean {
  return rankOf(left) < rankOf(right);
}

function rankOf({ uid, created }: Claim): string {
  return `${created === '' ? '~' : created} ${uid === '' ? '~' : uid}`;
}

/** `namespace/name` of the DeviceModel of a Device; undefined when it names none. */
export function modelKeyOf(device: Fields): string | undefined {
  const reference = nameOf(field(fieldsAt(device, 'spec', 'deviceModelRef'), 'name'));
  return reference === undefined ? undefined : `${claimOf(device, '').namespace}/${reference}`;
}
