/** Owns what a node may be called: a DNS subdomain (RFC 1123), as Kubernetes wants it. Pure. */

const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const MAX_LENGTH = 253;

export function isNodeName(text: string): boolean {
  return text.length <= MAX_LENGTH && SUBDOMAIN.test(text);
}
