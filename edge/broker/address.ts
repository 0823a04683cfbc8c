/** Owns the addresses that the broker may listen on: how they are written, and which of them are refused at start. */
import { isAbsolute } from 'node:path';
import { HiveletError } from '#beehive/errors.ts';

export type Endpoint =
  { transport: 'tcp' | 'websocket'; tls: boolean; host: string; port: number } | { transport: 'unix'; tls: false; path: string };

export interface Written {
  address: string;
  /** Where it was configured; named in errors. */
  key: string;
}

const schemes: ReadonlyMap<string, { transport: 'tcp' | 'websocket'; tls: boolean }> = new Map([
  ['tcp', { transport: 'tcp', tls: false }],
  ['mqtt', { transport: 'tcp', tls: false }],
  ['mqtts', { transport: 'tcp', tls: true }],
  ['ssl', { transport: 'tcp', tls: true }],
  ['tls', { transport: 'tcp', tls: true }],
  ['ws', { transport: 'websocket', tls: false }],
  ['wss', { transport: 'websocket', tls: true }],
] as const);

/** sockaddr_un holds 108 bytes, the last of which is 0. */
const LONGEST_PATH = 107;

/** KubeEdge's own listener: `tcp://127.0.0.1:1883`. Throws CONFIG_INVALID. */
export function parsePlain(written: Written): Endpoint {
  const endpoint = parseNetwork(written.address);
  if (endpoint?.transport === 'tcp' && !endpoint.tls) return endpoint;
  throw notAnAddress(written, 'tcp://HOST:PORT such as tcp://127.0.0.1:1883');
}

/** `tcp://`, `mqtts://`, `ws://`, `wss://` with HOST:PORT, or `unix:///PATH`. Throws CONFIG_INVALID. */
export function parseListener(written: Written): Endpoint {
  const endpoint = parseUnix(written) ?? parseNetwork(written.address);
  if (endpoint !== undefined) return endpoint;
  throw notAnAddress(written, 'SCHEME://HOST:PORT (tcp, mqtts, ws or wss) or unix:///PATH, for instance mqtts://0.0.0.0:8883');
}

export function printEndpoint(endpoint: Endpoint, port: number): string {
  if (endpoint.transport === 'unix') return `unix://${endpoint.path}`;
  const { transport, tls, host } = endpoint;
  const scheme = transport === 'tcp' ? (tls ? 'mqtts' : 'tcp') : tls ? 'wss' : 'ws';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
}

/** Reached from this machine only. */
export function isLocal(endpoint: Endpoint): boolean {
  if (endpoint.transport === 'unix') return true;
  const { host } = endpoint;
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** What others reach needs TLS and an account, unless the configuration says otherwise in plain words. Throws CONFIG_INVALID. */
export function refuseOpenDoor(endpoint: Endpoint, from: Written & { allowInsecure: boolean; accounts: number }): void {
  if (isLocal(endpoint)) return;
  const { address, key, accounts } = from;
  if (!endpoint.tls && !from.allowInsecure) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `${key} is ${address}: anyone who reaches this address could control the devices, as it has neither TLS nor credentials; ` +
        'use tcp://127.0.0.1:1883 for this machine and write modules.eventBus.listeners: ["mqtts://0.0.0.0:8883"] for others ' +
        '(with modules.eventBus.listenerTLS and `hivelet mqtt account add NAME`), or set modules.eventBus.allowInsecure to true if the network is trusted',
      { facts: { key, address } },
    );
  }
  if (endpoint.tls && accounts === 0) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `${key} is ${address}, but nobody has an account, so nobody may come in: make one with \`hivelet mqtt account add NAME\`, ` +
        `or take the address out of ${key}`,
      { facts: { key, address } },
    );
  }
}

function parseNetwork(address: string): Endpoint | undefined {
  const [, scheme = '', host, digits] = /^([a-z]+):\/\/(\[[0-9a-fA-F:.]+\]|[^/:[\]]+):(\d{1,5})\/?$/.exec(address) ?? [];
  const kind = schemes.get(scheme);
  const port = Number(digits);
  if (kind === undefined || host === undefined || port > 65_535) return undefined;
  return { ...kind, host: host.replace(/^\[|\]$/g, ''), port };
}

function parseUnix({ address, key }: Written): Endpoint | undefined {
  const path = /^unix:(?:\/\/)?(.*)$/.exec(address)?.[1];
  if (path === undefined) return undefined;
  if (!isAbsolute(path) || path.includes('\0')) throw notAnAddress({ address, key }, 'unix:///PATH with an absolute path');
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new HiveletError('CONFIG_INVALID', `${key} is ${address}: a socket's path has at most ${String(LONGEST_PATH)} bytes`, {
      facts: { key, address },
    });
  }
  return { transport: 'unix', tls: false, path };
}

function notAnAddress({ address, key }: Written, form: string): HiveletError {
  return new HiveletError('CONFIG_INVALID', `${key} is ${JSON.stringify(address)}, which is not an address of the form ${form}`, {
    facts: { key, address },
  });
}
