/** Owns the comparison of MQTT addresses: whether the external broker would be our own listener. */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]', '::1']);
const EVERYWHERE = new Set(['0.0.0.0', '[::]', '::', '*', '']);

/** True when a client of `external` would reach a listener on `internal`, both written as `tcp://host:port`. */
export function isOwnListener(internal: string, external: string): boolean {
  const [own, other] = [parts(internal), parts(external)];
  if (own === undefined || other === undefined || own.port !== other.port || own.port === '0') return false;
  if (own.host === other.host) return true;
  if (EVERYWHERE.has(own.host)) return LOOPBACK.has(other.host) || EVERYWHERE.has(other.host);
  return LOOPBACK.has(own.host) && (LOOPBACK.has(other.host) || EVERYWHERE.has(other.host));
}

function parts(address: string): { host: string; port: string } | undefined {
  const match = /^[a-z]+:\/\/(\[[^\]]*\]|[^/:]*)(?::(\d+))?\/?$/i.exec(address.trim());
  return match === null ? undefined : { host: (match[1] ?? '').toLowerCase(), port: match[2] ?? '1883' };
}
