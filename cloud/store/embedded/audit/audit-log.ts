/** Owns which requests are recorded, and what is said of each: who, what, when, with which outcome; never a body. */
import type { Clock } from '#beehive/clock.ts';
import type { Logger } from '#beehive/log.ts';
import type { StatusBody } from '../../kube-api.ts';
import { isPath } from '../access/attempt.ts';
import type { Attempt, ResourceAttempt } from '../access/attempt.ts';
import { accountOf, isAnonymous, mayDoEverything } from '../access/user.ts';
import type { PlainAnswer, User } from '../api-request.ts';
import type { RequestHead } from '../http-request.ts';
import { AuditFile } from './audit-file.ts';
import type { AuditFileOptions } from './audit-file.ts';

export interface AuditOptions extends AuditFileOptions {
  /** Leases, events and the reports of cloudcore too: several lines a second. */
  controllers: boolean;
}

export interface Audited {
  /** Of the one who showed credentials. */
  head: RequestHead;
  attempt: Attempt;
  /** Whose rights were used, or asked for, where these are somebody else's. */
  as: string;
  source: string;
}

interface Outcome {
  code: number;
  reason?: string;
  /** Of an object that got its name in the body or from the server. */
  name?: string;
}

const WRITES = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);
/** Questions, answered without writing. */
const QUESTIONS = new Set(['authorization.k8s.io', 'authentication.k8s.io']);
const CHATTER = new Set(['leases.coordination.k8s.io', 'events.']);
const LONGEST = 253;

export class AuditLog {
  readonly #file: AuditFile;
  readonly #clock: Clock;
  readonly #controllers: boolean;

  constructor(options: AuditOptions, { clock, log }: { clock: Clock; log: Logger }) {
    this.#file = new AuditFile(options, { clock, log });
    this.#clock = clock;
    this.#controllers = options.controllers;
  }

  answered(audited: Audited, { status, created }: Pick<PlainAnswer, 'status' | 'created'>): void {
    this.#record(audited, { code: status, ...(created === undefined ? {} : { name: created }) });
  }

  refused(audited: Audited, { code = 500, reason = '', details }: StatusBody): void {
    this.#record(audited, { code, reason, ...(details?.name === undefined ? {} : { name: details.name }) });
  }

  #record({ head, attempt, as, source }: Audited, outcome: Outcome): void {
    if (isPath(attempt) || !WRITES.has(attempt.verb) || QUESTIONS.has(attempt.group) || isAnonymous(head.user)) return;
    if (!this.#controllers && isChatter(head, attempt)) return;
    const { verb, group, resource, subresource, namespace } = attempt;
    const name = attempt.name === '' ? (outcome.name ?? '') : attempt.name;
    const named = { group, resource, subresource, namespace, name, reason: outcome.reason ?? '', userAgent: head.userAgent, source };
    const line: Record<string, unknown> = { time: new Date(this.#clock.now()).toISOString(), user: cut(head.user.name) };
    if (as !== '' && as !== head.user.name) line['as'] = cut(as);
    line['verb'] = verb;
    for (const [key, value] of Object.entries(named)) if (value !== '') line[key] = cut(value);
    line['code'] = outcome.code;
    if (head.query.has('dryRun')) line['dryRun'] = true;
    this.#file.append(JSON.stringify(line));
  }

  /** Writes what waits. */
  close(): Promise<void> {
    return this.#file.flush();
  }
}

/** What cloudcore says all the time: a state, that somebody lives, what happened. Others cannot hide behind its name. */
function isChatter({ user, userAgent, persistLater }: RequestHead, { group, resource, subresource }: ResourceAttempt): boolean {
  if (CHATTER.has(`${resource}.${group}`)) return true;
  return (subresource === 'status' || persistLater) && userAgent.startsWith('cloudcore/') && isController(user);
}

function isController(user: User): boolean {
  return mayDoEverything(user) || accountOf(user.name)?.namespace === 'kubeedge';
}

function cut(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}
