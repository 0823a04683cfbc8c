/** Owns what a connected board is told of authorities, and what is known of it by its connection. */
import { X509Certificate } from 'node:crypto';
import type { Clock } from '#beehive/clock.ts';
import type { WindowEntry } from '#wire/ack-window.ts';
import { readTrustAnswer, type AuthoritiesNotice } from '#wire/certificate-messages.ts';
import { createMessage, type BeehiveMessage } from '#wire/message.ts';
import { certificateAuthorities, group, operation, source } from '#wire/resources.ts';
import { shortName, type AuthorityUse } from './authority-use.ts';

/** A connected board, as the hub has it. */
export interface BoardLink {
  readonly node: string;
  readonly peer: 'hivelet' | 'kubeedge';
  readonly signal: AbortSignal;
  /** SHA-256 of each authority that it trusted when it connected; undefined: it does not tell, and takes no others. */
  readonly trusts: readonly string[] | undefined;
  /** What it connected with. */
  readonly certificate: X509Certificate;
  offer(entry: WindowEntry): boolean;
  send(message: BeehiveMessage): void;
}

/** Boards ask at a rate that the API and one core can take. */
const SPREAD_MS = { each: 100, most: 10 * 60_000 };
const MOST_FAULT = 200;

/** Who signed its certificate is looked up later ('' until then). */
export function useOf({ peer, trusts }: BoardLink): AuthorityUse {
  const foreign =
    peer === 'kubeedge' ? 'a KubeEdge edge takes no new authority by itself' : 'its Hivelet is too old to take a new authority';
  return { trusts: named(trusts ?? []), issuer: '', fault: trusts === undefined ? foreign : '' };
}

/** '' when none of them did. */
export function issuerName(certificate: X509Certificate, bundle: string): string {
  const authorities = pemsIn(bundle).map((pem) => new X509Certificate(pem));
  const issuer = authorities.find((authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey));
  return issuer === undefined ? '' : shortName(issuer.toString());
}

/** Undefined when the board has nothing to do. */
export function noticeFor(
  { trusts }: AuthorityUse,
  { bundle, renew, boards }: { bundle: string; renew: boolean; boards: number },
): AuthoritiesNotice | undefined {
  const wanted = pemsIn(bundle).map(shortName);
  const isTrusted = wanted.length === trusts.length && wanted.every((name) => trusts.includes(name));
  if (isTrusted && !renew) return undefined;
  return { authorities: bundle, renew, spreadMs: Math.min(boards * SPREAD_MS.each, SPREAD_MS.most) };
}

/** What is offered to the link; `learned` is told what the board answers. */
export function noticeEntry(
  content: AuthoritiesNotice,
  { clock, learned }: { clock: Clock; learned: (change: Partial<AuthorityUse>) => void },
): WindowEntry {
  const route = { source: source.cloudhub, group: group.resource, operation: operation.update, resource: certificateAuthorities };
  return {
    key: certificateAuthorities,
    make: () => createMessage(clock.now(), { ...route, content }),
    onAck: (answer) => learned({ trusts: named(readTrustAnswer(answer.content) ?? []), fault: '' }),
    onError: (answer) => {
      learned({ fault: String(answer.content).slice(0, MOST_FAULT) });
      return 'retry';
    },
  };
}

function named(hashes: readonly string[]): string[] {
  return hashes.map((hash) => hash.slice(0, 16));
}

function pemsIn(bundle: string): string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}
