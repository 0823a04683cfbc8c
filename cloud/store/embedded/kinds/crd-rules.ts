/** Owns defaults and checks of CustomResourceDefinition objects. */
import type { KubeObject, StatusCause } from '../../kube-api.ts';
import { dig, isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { structuralFaults } from '../schema/structural.ts';
import { invalidValue, required, unsupportedValue } from '../status.ts';

const GROUP = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;
const LABEL = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** Fills singular, listKind and conversion; what a file says about status does not count. */
export function prepareCrd(object: KubeObject, previous: KubeObject | undefined): void {
  const spec = object['spec'];
  if (!isRecord(spec)) return;
  const kind = textAt(spec, 'names', 'kind');
  const names = own(spec, 'names');
  if (isRecord(names)) {
    names['singular'] ??= kind.toLowerCase();
    names['listKind'] ??= `${kind}List`;
  }
  spec['conversion'] ??= { strategy: 'None' };
  object['status'] = crdStatus(object, previous);
}

/** Both conditions at once: the kind is served as soon as the object is stored. */
function crdStatus(object: KubeObject, previous: KubeObject | undefined): JsonRecord {
  const since = (type: string): unknown => {
    const before = listAt(previous, 'status', 'conditions').find((condition) => textAt(condition, 'type') === type);
    return dig(before, 'lastTransitionTime') ?? object.metadata.creationTimestamp;
  };
  const condition = (type: string, reason: string, message: string): JsonRecord => {
    return { type, status: 'True', lastTransitionTime: since(type), reason, message };
  };
  const storage = listAt(object, 'spec', 'versions').find((version) => own(version, 'storage') === true);
  const stored = listAt(previous, 'status', 'storedVersions').filter((name) => typeof name === 'string');
  const name = textAt(storage, 'name');
  return {
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    acceptedNames: dig(object, 'spec', 'names') ?? {},
    storedVersions: name === '' || stored.includes(name) ? stored : [...stored, name],
  };
}

export function checkCrd(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  const spec = object['spec'];
  if (!isRecord(spec)) return [required('spec')];
  const group = textAt(spec, 'group');
  const plural = textAt(spec, 'names', 'plural');
  const causes: StatusCause[] = [];
  if (!GROUP.test(group)) causes.push(invalidValue('spec.group', group, 'should be a domain with at least one dot'));
  if (!LABEL.test(plural)) causes.push(invalidValue('spec.names.plural', plural, 'must be a lowercase name'));
  if (textAt(spec, 'names', 'kind') === '') causes.push(required('spec.names.kind'));
  const scope = textAt(spec, 'scope');
  if (scope !== 'Namespaced' && scope !== 'Cluster') causes.push(unsupportedValue('spec.scope', scope, ['Cluster', 'Namespaced']));
  if (object.metadata.name !== `${plural}.${group}`) {
    causes.push(invalidValue('metadata.name', object.metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  if (textAt(spec, 'conversion', 'strategy') === 'Webhook') {
    causes.push(unsupportedValue('spec.conversion.strategy', 'Webhook', ['None']));
  }
  return [...causes, ...checkVersions(spec), ...checkUnchanged(object, previous)];
}

function checkVersions(spec: JsonRecord): StatusCause[] {
  const versions = listAt(spec, 'versions');
  const causes = versions.flatMap((version, index) => {
    const at = `spec.versions[${index}]`;
    if (textAt(version, 'name') === '') return [required(`${at}.name`)];
    const schema = dig(version, 'schema', 'openAPIV3Schema');
    if (!isRecord(schema)) return [required(`${at}.schema.openAPIV3Schema`, 'schemas are required')];
    // With one version the real server names the fault as if it were in the old common place.
    const path = versions.length === 1 ? 'spec.validation.openAPIV3Schema' : `${at}.schema.openAPIV3Schema`;
    return structuralFaults(schema, path);
  });
  if (versions.filter((version) => own(version, 'storage') === true).length !== 1) {
    causes.push(invalidValue('spec.versions', 'versions', 'must have exactly one version marked as storage version'));
  }
  return causes;
}

function checkUnchanged(object: KubeObject, previous: KubeObject | undefined): StatusCause[] {
  if (previous === undefined) return [];
  return [['group'], ['scope'], ['names', 'kind'], ['names', 'plural']]
    .filter((path) => dig(previous['spec'], ...path) !== dig(object['spec'], ...path))
    .map((path) => invalidValue(['spec', ...path].join('.'), dig(object['spec'], ...path), 'field is immutable'));
}
