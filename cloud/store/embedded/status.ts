/** Owns the refusals of the API server: `Status` objects with the codes, reasons and texts of Kubernetes. */
import { KubeError } from '../kube-api.ts';
import type { StatusBody, StatusCause } from '../kube-api.ts';

type Details = NonNullable<StatusBody['details']>;

/** Names a resource in messages: `devices` of `devices.kubeedge.io`. */
export interface ResourceName {
  group: string;
  plural: string;
}

export function refuse(
  code: number,
  reason: string,
  rest: { message: string; details?: Details; metadata?: { continue?: string } },
): KubeError {
  const { message, details, metadata = {} } = rest;
  return new KubeError({
    kind: 'Status',
    apiVersion: 'v1',
    metadata,
    status: 'Failure',
    message,
    ...(reason === '' ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  });
}

/** `plural.group`, or just the plural for the core group. */
export function qualified({ group, plural }: ResourceName): string {
  return group === '' ? plural : `${plural}.${group}`;
}

export function detailsOf({ group, plural }: ResourceName, name?: string): Details {
  return { ...(name === undefined ? {} : { name }), ...(group === '' ? {} : { group }), kind: plural };
}

export const badRequest = (message: string): KubeError => refuse(400, 'BadRequest', { message });
export const unauthorized = (): KubeError => refuse(401, 'Unauthorized', { message: 'Unauthorized' });
export const noSuchResource = (): KubeError =>
  refuse(404, 'NotFound', { message: 'the server could not find the requested resource', details: {} });
export const methodNotAllowed = (message = 'the server does not allow this method on the requested resource'): KubeError =>
  refuse(405, 'MethodNotAllowed', { message, details: {} });
/** Of custom kinds. */
export const methodNotSupported = (resource: ResourceName, verb: string): KubeError =>
  refuse(405, 'MethodNotAllowed', {
    message: `${verb} is not supported on resources of kind ${JSON.stringify(qualified(resource))}`,
    details: detailsOf(resource),
  });
export const notAcceptable = (): KubeError => refuse(406, 'NotAcceptable', { message: '406: Not Acceptable', details: {} });
export const tooLarge = (limit: number): KubeError => entityTooLarge(`limit is ${limit}`);
export const entityTooLarge = (why: string): KubeError =>
  refuse(413, 'RequestEntityTooLarge', { message: `Request entity too large: ${why}` });
export const unsupportedMediaType = (accepted: readonly string[], remedy = ''): KubeError =>
  refuse(415, 'UnsupportedMediaType', {
    message: `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}${remedy}`,
  });
export const wrongPatchType = (): KubeError => refuse(415, 'UnsupportedMediaType', { message: '415: Unsupported Media Type', details: {} });
export const unprocessable = (message = 'the server rejected our request due to an error in our request'): KubeError =>
  refuse(422, 'Invalid', { message, details: {} });
export const internal = (message: string): KubeError =>
  refuse(500, 'InternalError', { message: `Internal error occurred: ${message}`, details: { causes: [{ message }] } });

export const notFound = (resource: ResourceName, name: string): KubeError =>
  refuse(404, 'NotFound', { message: `${qualified(resource)} "${name}" not found`, details: detailsOf(resource, name) });

export const alreadyExists = (resource: ResourceName, name: string): KubeError =>
  refuse(409, 'AlreadyExists', { message: `${qualified(resource)} "${name}" already exists`, details: detailsOf(resource, name) });

export const conflict = (resource: ResourceName, name: string, why = STALE): KubeError =>
  refuse(409, 'Conflict', {
    message: `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details: detailsOf(resource, name),
  });

const STALE = 'the object has been modified; please apply your changes to the latest version and try again';

export const expired = (message: string, token?: string): KubeError =>
  refuse(410, 'Expired', { message, ...(token === undefined ? {} : { metadata: { continue: token } }) });

/** More would only fill the answer: a body can be wrong in a hundred thousand places. */
const MOST_CAUSES = 200;

/** 422 with its causes; `kind` is the Kind here, not the plural. */
export function invalid(what: { group: string; kind: string; name: string }, causes: readonly StatusCause[]): KubeError {
  const { group, kind, name } = what;
  const told = causes.slice(0, MOST_CAUSES);
  const lines = [...new Set(told.map((cause) => `${cause.field ?? ''}: ${cause.message ?? ''}`))];
  const text = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  return refuse(422, 'Invalid', {
    message: `${group === '' ? kind : `${kind}.${group}`} "${name}" is invalid: ${text}`,
    details: { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind, causes: told },
  });
}

export const required = (field: string, message = ''): StatusCause => ({
  reason: 'FieldValueRequired',
  message: message === '' ? 'Required value' : `Required value: ${message}`,
  field,
});
export const invalidValue = (field: string, value: unknown, why: string): StatusCause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${typeof value === 'string' ? JSON.stringify(value) : String(value)}: ${why}`,
  field,
});
export const unsupportedValue = (field: string, value: unknown, supported: readonly unknown[]): StatusCause => ({
  reason: 'FieldValueNotSupported',
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((item) => JSON.stringify(String(item))).join(', ')}`,
  field,
});
export const forbiddenField = (field: string, why: string): StatusCause => ({
  reason: 'FieldValueForbidden',
  message: `Forbidden: ${why}`,
  field,
});
