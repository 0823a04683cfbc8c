/** Owns who may open a link: the node named in the header must be the one that the client certificate was issued to. Pure. */
import type { IncomingHttpHeaders } from 'node:http';
import { readTrustHeader } from '#wire/certificate-messages.ts';
import { PROTOCOL_VERSION, headers } from '#wire/handshake.ts';
import { isNodeName } from '#wire/node-name.ts';

export interface Greeting {
  node: string;
  /** `hivelet`: it announced our protocol; `kubeedge`: exact KubeEdge rules hold. */
  peer: 'hivelet' | 'kubeedge';
  /** uuid of the edge's database; undefined for KubeEdge peers. */
  store: string | undefined;
  /** SHA-256 of each authority that it trusts, where it tells. */
  trusts?: readonly string[];
}

export type Verdict = { accepted: Greeting } | { refused: string; status: 400 | 403 };

export interface IdentityRules {
  /** A certificate of the CA with any name will do (`modules.cloudHub.allowUnboundCertificates`): KubeEdge v1.9 issues no others. */
  allowUnbound: boolean;
}

const STORE_NAME = /^[A-Za-z0-9-]{1,64}$/;

/** `commonName` is the subject CN of the verified client certificate. */
export function identify(request: { headers: IncomingHttpHeaders; commonName: unknown }, { allowUnbound }: IdentityRules): Verdict {
  const text = (name: string): string => {
    const value = request.headers[name.toLowerCase()];
    return typeof value === 'string' ? value : '';
  };
  const node = text(headers.nodeId);
  if (node === '') return { refused: `header ${headers.nodeId} is missing (proxies may drop names with an underscore)`, status: 400 };
  if (!isNodeName(node)) return { refused: `header ${headers.nodeId} is no node name`, status: 400 };
  const use = text(headers.connectionUse);
  if (use !== '' && use !== 'msg') return { refused: `header ${headers.connectionUse} is not msg`, status: 400 };
  if (!allowUnbound && request.commonName !== `system:node:${node}`) {
    const name = typeof request.commonName === 'string' ? request.commonName : 'without a name';
    return { refused: `the certificate is ${name}, not system:node:${node}`, status: 403 };
  }
  const ours = text(headers.protocol) === PROTOCOL_VERSION;
  const store = text(headers.store);
  if (ours && !STORE_NAME.test(store)) return { refused: `header ${headers.store} is not the uuid of a database`, status: 400 };
  const trusts = ours ? readTrustHeader(text(headers.trusts)) : undefined;
  return {
    accepted: { node, peer: ours ? 'hivelet' : 'kubeedge', store: ours ? store : undefined, ...(trusts === undefined ? {} : { trusts }) },
  };
}
