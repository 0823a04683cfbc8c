/** Owns the AdmissionReview of admission.k8s.io/v1: what a webhook is asked, and what its answer means. */
import { randomUUID } from 'node:crypto';
import { KubeError } from '../../kube-api.ts';
import type { KubeObject, StatusBody } from '../../kube-api.ts';
import { userInfoOf } from '../access/user.ts';
import type { User } from '../api-request.ts';
import { dig, isRecord, listAt, own, textAt } from '../json-value.ts';
import type { JsonRecord } from '../json-value.ts';
import type { Kind } from '../kinds/kind.ts';
import { groupVersionOf } from '../kinds/kind.ts';
import type { Asked } from './webhook.ts';

export interface Admission extends Asked {
  name: string;
  user: User;
  /** Absent in a deletion. */
  object?: KubeObject;
  /** As it was before. */
  previous?: KubeObject;
  dryRun: boolean;
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  options: Record<string, unknown>;
}

export interface Review {
  uid: string;
  body: Record<string, unknown>;
}

export interface Verdict {
  warnings: string[];
  /** Present when it is refused. */
  denied?: JsonRecord;
}

const API_VERSION = 'admission.k8s.io/v1';

/** `seen`: the version in which the webhook wants the object. */
export function reviewOf(admission: Admission, seen: Kind): Review {
  const { kind, subresource, namespace, name, operation, user, object, previous, dryRun, options } = admission;
  const uid = randomUUID();
  const request = {
    uid,
    ...namesOf(seen),
    ...(subresource === undefined ? {} : { subResource: subresource }),
    ...prefixed(namesOf(kind)),
    ...(subresource === undefined ? {} : { requestSubResource: subresource }),
    name,
    ...(namespace === undefined ? {} : { namespace }),
    operation,
    userInfo: userInfoOf(user),
    object: inVersion(object, seen),
    oldObject: inVersion(previous, seen),
    dryRun,
    options,
  };
  return { uid, body: { kind: 'AdmissionReview', apiVersion: API_VERSION, request } };
}

function namesOf({ group, version, kind, plural }: Kind): { kind: object; resource: object } {
  return { kind: { group, version, kind }, resource: { group, version, resource: plural } };
}

function prefixed({ kind, resource }: { kind: object; resource: object }): object {
  return { requestKind: kind, requestResource: resource };
}

function inVersion(object: KubeObject | undefined, kind: Kind): KubeObject | null {
  if (object === undefined) return null;
  const apiVersion = groupVersionOf(kind);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** Throws with the words of Kubernetes where it is no answer to this review. */
export function verdictOf(answer: unknown, { uid }: Review): Verdict {
  const [kind, apiVersion] = [textAt(answer, 'kind'), textAt(answer, 'apiVersion')];
  if (kind !== 'AdmissionReview' || apiVersion !== API_VERSION) {
    throw new Error(`expected webhook response of ${API_VERSION}, Kind=AdmissionReview, got ${apiVersion}, Kind=${kind}`);
  }
  const response = own(answer, 'response');
  if (!isRecord(response)) throw new Error('webhook response was absent');
  if (textAt(response, 'uid') !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(textAt(response, 'uid'))}`);
  const warnings = listAt(response, 'warnings').filter((warning): warning is string => typeof warning === 'string' && warning !== '');
  if (dig(response, 'allowed') === true) return { warnings };
  const status = own(response, 'status');
  return { warnings, denied: isRecord(status) ? status : {} };
}

/** The refusal of a webhook as the client sees it; warnings go with it. */
export class AdmissionDenied extends KubeError {
  readonly warnings: readonly string[];

  constructor(status: StatusBody, warnings: readonly string[]) {
    super(status);
    this.name = 'AdmissionDenied';
    this.warnings = warnings;
  }
}

/** Code and reason of the webhook where they tell of a failure; without a code 400. */
export function denialOf(name: string, { warnings, denied }: Verdict): AdmissionDenied {
  const reason = textAt(denied, 'reason');
  const why = [textAt(denied, 'message'), reason].find((text) => text !== '');
  const [code, details] = [own(denied, 'code'), own(denied, 'details')];
  const message = `admission webhook ${JSON.stringify(name)} denied the request${why === undefined ? ' without explanation' : `: ${why}`}`;
  return new AdmissionDenied(
    {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === '' ? {} : { reason }),
      ...(isRecord(details) ? { details } : {}),
      code: typeof code === 'number' && code >= 400 && code <= 599 ? code : 400,
    },
    warnings,
  );
}
