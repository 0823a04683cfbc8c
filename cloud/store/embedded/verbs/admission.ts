/** Owns what happens to an object on its way into the store: envelope, unknown fields, defaults, validation. */
import type { KubeObject } from '../../kube-api.ts';
import { isRecord, own } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import { BAD_QUANTITY } from '../kinds/checks.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import { checkMetadata, labelWarnings, metadataTypeFault, nullsToTexts, tidyMetadata } from '../metadata.ts';
import { defaultAndPrune } from '../schema/schema.ts';
import { validate } from '../schema/validate.ts';
import type { TypeMismatch } from '../schema/validate.ts';
import { badRequest, invalid, invalidValue } from '../status.ts';

export type FieldValidation = 'Ignore' | 'Warn' | 'Strict';

/** Without the parameter unknown fields are warned about. Throws 422. */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const wanted = query.get('fieldValidation') ?? '';
  if (wanted === '' || wanted === 'Warn') return 'Warn';
  if (wanted === 'Ignore' || wanted === 'Strict') return wanted;
  const cause = invalidValue('fieldValidation', wanted, 'must be one of Ignore, Warn, Strict');
  throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions', name: '' }, [cause]);
}

/** `dryRun=All`. Throws 422 for anything else. */
export function dryRunOf(values: readonly string[], optionsKind: string): boolean {
  const wanted = values.filter((value) => value !== '');
  if (wanted.every((value) => value === 'All')) return wanted.length > 0;
  const shown = `[]string{${wanted.map((value) => JSON.stringify(value)).join(', ')}}`;
  const cause = { reason: 'FieldValueNotSupported', message: `Unsupported value: ${shown}: supported values: "All"`, field: 'dryRun' };
  throw invalid({ group: 'meta.k8s.io', kind: optionsKind, name: '' }, [cause]);
}

/** Checks kind, version and the types of metadata; built-in kinds take what is missing from the URL. Throws 400, 422. */
export function readEnvelope(kind: Kind, body: JsonRecord): KubeObject {
  const expected = groupVersionOf(kind);
  const apiVersion = own(body, 'apiVersion') ?? (kind.custom ? undefined : expected);
  const given = own(body, 'kind') ?? (kind.custom ? undefined : kind.kind);
  if (typeof given !== 'string' || given === '') throw missing(kind, 'Kind', body);
  if (typeof apiVersion !== 'string' || apiVersion === '') throw missing(kind, 'apiVersion', body);
  const metadata = own(body, 'metadata') ?? {};
  if (apiVersion !== expected) throw wrongVersion(kind, { apiVersion, given });
  if (given !== kind.kind) throw wrongKind(kind, given, metadata);
  const fault = metadataTypeFault(metadata);
  if (fault !== undefined) throw cannotHandle(kind, fault);
  tidyMetadata(metadata);
  const object = { ...body, apiVersion, kind: given, metadata: metadata as KubeObject['metadata'] };
  object.metadata.name ??= '';
  return object;
}

function missing(kind: Kind, what: string, body: JsonRecord): Error {
  const shown = JSON.stringify(body).slice(0, 200);
  const last = shown.slice(-10);
  const where = `error found in #${last.length} byte of ...|${last}|..., bigger context ...|${shown.slice(-50)}|...`;
  return cannotHandle(kind, `unmarshalerDecoder: Object '${what}' is missing in '${shown}', ${where}`);
}

function wrongVersion(kind: Kind, { apiVersion, given }: { apiVersion: string; given: string }): Error {
  if (kind.custom) {
    return badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${groupVersionOf(kind)})`);
  }
  const why = `no kind "${given}" is registered for version "${apiVersion}" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"`;
  return badRequest(`${given} in version "${apiVersion.slice(apiVersion.indexOf('/') + 1)}" cannot be handled as a ${kind.kind}: ${why}`);
}

function wrongKind(kind: Kind, given: string, metadata: unknown): Error {
  if (!kind.custom) {
    const internalGroup = kind.group === '' ? 'core' : (kind.group.split('.')[0] ?? '');
    return cannotHandle(kind, `converting (${kind.version}.${given}) to (${internalGroup}.${kind.kind}): unknown conversion`, given);
  }
  const name = own(metadata, 'name');
  const cause = invalidValue('kind', given, `must be ${kind.kind}`);
  return invalid({ group: kind.group, kind: given, name: typeof name === 'string' ? name : '' }, [cause]);
}

function cannotHandle(kind: Kind, why: string, given = kind.kind): Error {
  return badRequest(`${given} in version "${kind.version}" cannot be handled as a ${kind.kind}: ${why}`);
}

export interface Admitted {
  object: KubeObject;
  warnings: string[];
}

export interface AdmissionOptions {
  previous: KubeObject | undefined;
  validation: FieldValidation;
  /** A body whose types are wrong is 400; the result of a patch is 422. */
  patched: boolean;
}

/** Prunes, defaults and validates; changes `object`. Throws 400, 422. */
export function admit(kind: Kind, object: KubeObject, { previous, validation, patched }: AdmissionOptions): Admitted {
  if (kind.resource === 'configmaps' && isRecord(object['data'])) nullsToTexts(object['data']);
  if (!kind.custom) dropNulls(object);
  const unknown = defaultAndPrune(kind.schema, object).map((path) => `unknown field "${path}"`);
  if (unknown.length > 0 && validation === 'Strict') throw cannotHandle(kind, `strict decoding error: ${unknown.join(', ')}`);
  const found = validate(kind.schema, object);
  const [mismatch] = found.mismatches;
  if (mismatch !== undefined && !kind.custom && !patched) throw cannotHandle(kind, goMismatch(kind, mismatch));
  // Lists of built-in kinds merge by keys and may still hold one twice (variables, ports): their own rules say where not.
  const faults = kind.custom ? found.causes : found.causes.filter(({ reason }) => reason !== 'FieldValueDuplicate');
  const causes = [...checkMetadata(kind, object, previous), ...faults];
  if (causes.length === 0) {
    kind.prepare?.(object, previous);
    causes.push(...(kind.check?.(object, previous) ?? []));
    const unreadable = causes.find(({ message = '' }) => message.endsWith(BAD_QUANTITY));
    if (!patched && unreadable !== undefined) throw cannotHandle(kind, `${unreadable.field ?? ''}: ${unreadable.message ?? ''}`);
  }
  if (causes.length > 0) throw invalid({ group: kind.group, kind: kind.kind, name: object.metadata.name }, causes);
  return { object, warnings: [...(validation === 'Warn' ? unknown : []), ...labelWarnings(kind, object.metadata)] };
}

function goMismatch(kind: Kind, { field, wanted, found }: TypeMismatch): string {
  return `json: cannot unmarshal ${found} into Go struct field ${kind.kind}.${field} of type ${wanted}`;
}

/** The typed readers of built-in kinds take null as absent, and leave empty maps out. */
function dropNulls(record: JsonRecord): void {
  for (const [key, value] of Object.entries(record)) {
    if (value === null) delete record[key];
    else if (isRecord(value)) dropNulls(value);
    else if (Array.isArray(value)) for (const item of value as unknown[]) if (isRecord(item)) dropNulls(item);
  }
  for (const key of ['data', 'binaryData']) {
    const value = own(record, key);
    if (isRecord(value) && Object.keys(value).length === 0) delete record[key];
  }
}
