/** Owns AdmissionReview on the side that answers: what is asked, and the answer made of findings. */
import { fieldsAt, fieldsOf, type Fields } from '#device-models/fields.ts';
import { sentenceOf, type Problem } from '#device-models/problem.ts';
import type { ReviewedChange } from '#device-models/review.ts';

export interface Question {
  uid: string;
  /** Undefined for kinds that we say nothing about. */
  change: ReviewedChange | undefined;
}

const API_VERSION = 'admission.k8s.io/v1';
const GROUP = 'devices.kubeedge.io';
/** What an API server shows of one answer is limited; more than these help nobody at once. */
const MOST_WARNINGS = 15;
const MOST_REFUSALS = 5;

/** Throws one sentence where it is no AdmissionReview that we understand. */
export function readReview(body: unknown): Question {
  const review = fieldsOf(body);
  if (review?.['kind'] !== 'AdmissionReview') throw new Error('the body is no AdmissionReview');
  if (review['apiVersion'] !== API_VERSION) throw new Error(`the version of the AdmissionReview is not ${API_VERSION}`);
  const request = fieldsAt(review, 'request');
  const uid = request?.['uid'];
  if (request === undefined || typeof uid !== 'string' || uid === '') throw new Error('request.uid is missing');
  return { uid, change: changeOf(request) };
}

function changeOf(request: Fields): ReviewedChange | undefined {
  const asked = fieldsAt(request, 'kind');
  const kind = asked?.['kind'];
  if (asked?.['group'] !== GROUP || (kind !== 'Device' && kind !== 'DeviceModel')) return undefined;
  const [object, previous] = [fieldsOf(request['object']), fieldsOf(request['oldObject'])];
  return { kind, ...(object === undefined ? {} : { object }), ...(previous === undefined ? {} : { previous }) };
}

/** Everything that is not refused is a warning, whether or not it becomes a condition as well. */
export function answerReview(uid: string, problems: readonly Problem[]): Record<string, unknown> {
  const refusals = problems.filter(({ severity }) => severity === 'refuse').map(sentenceOf);
  const warnings = problems.filter(({ severity }) => severity !== 'refuse').map(sentenceOf);
  const response = {
    uid,
    allowed: refusals.length === 0,
    ...(warnings.length === 0 ? {} : { warnings: bounded(warnings, MOST_WARNINGS) }),
    ...(refusals.length === 0 ? {} : { status: { code: 422, reason: 'Invalid', message: bounded(refusals, MOST_REFUSALS).join('; ') } }),
  };
  return { kind: 'AdmissionReview', apiVersion: API_VERSION, response };
}

function bounded(sentences: readonly string[], most: number): string[] {
  return sentences.length <= most ? [...sentences] : [...sentences.slice(0, most), `and ${sentences.length - most} more`];
}
