/** Owns where an API server finds admission: through a Service of the cluster, at an address, or not at all; and the names for its certificate. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { HiveletError } from '#beehive/errors.ts';

export interface PlacementOptions {
  address: string;
  /** `namespace/name`, '' for none. */
  service: string;
  /** URL of the API server: one on our loopback can call ours. */
  server: string;
  /** What boards dial; the first one stands for a wildcard address. */
  advertise: readonly string[];
}

export type Placement =
  | { service: { namespace: string; name: string }; name: string }
  /** DNS name or IP address that stands in the URL. */
  | { name: string }
  | { reason: string };

/** Throws CONFIG_INVALID for a Service that is not `namespace/name`. */
export function placementOf({ address, service, server, advertise }: PlacementOptions): Placement {
  const foreign = !isLoopback(new URL(server).hostname.replace(/^\[|\]$/g, ''));
  if (service !== '') {
    const [, namespace, name] = /^([a-z0-9][a-z0-9-]*)\/([a-z0-9][a-z0-9-]*)$/.exec(service) ?? [];
    if (namespace === undefined || name === undefined)
      throw new HiveletError('CONFIG_INVALID', `modules.admission.service is ${JSON.stringify(service)}: write namespace/name`);
    return { service: { namespace, name }, name: `${name}.${namespace}.svc` };
  }
  const wildcard = address === '0.0.0.0' || address === '::';
  const name = wildcard ? (foreign ? advertise[0] : '127.0.0.1') : address;
  if (foreign && (name === undefined || isLoopback(name))) {
    return {
      reason: 'the API server is on another machine, which cannot reach us: set modules.admission.service, or modules.admission.address',
    };
  }
  return { name: name ?? '127.0.0.1' };
}

/** Whether a server with this certificate (PEM) is trusted under the name. */
export function covers(certificate: string, name: string): boolean {
  try {
    const parsed = new X509Certificate(certificate);
    return (isIP(name) === 0 ? parsed.checkHost(name) : parsed.checkIP(name)) !== undefined;
  } catch {
    return false;
  }
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || address.startsWith('127.');
}
