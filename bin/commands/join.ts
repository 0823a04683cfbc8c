/** Owns `hivelet join`: this board becomes a node of a cloud. Its key is made here and never leaves. */
import { type X509Certificate, createPrivateKey } from 'node:crypto';
import path from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import type { Clock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';
import { isNodeName } from '#wire/node-name.ts';
import { splitToken, type TokenParts } from '../../cloud/enrolment/join-token.ts';
import { readIfThere } from '../../cloud/pki/files.ts';
import { fingerprintOf } from '../../cloud/pki/node-signer.ts';
import { defaultNodeName, edgeSchema } from '../../edge/config.ts';
import { authorityHashes } from '../../edge/edgehub/credential-files.ts';
import { createPluginTable } from '../../mappers/index.ts';
import { placesOf } from '../../mappers/placement.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import {
  boardFiles,
  configWith,
  joinedAs,
  pendingKey,
  undoPending,
  writeJoin,
  type BoardFiles,
  type JoinSettings,
  type Joined,
} from './join/board-files.ts';
import { NotDone, fetchAuthority, fetchCertificate, fetchNodeState, type Door } from './join/cloud-door.ts';
import { UNIT, checkService, hasSystemd, startService, thisHost } from './join/service.ts';
import { ensureBrokerCertificate } from './mqtt/broker-certificate.ts';
import { withFolders } from './mqtt/certificate.ts';
import { handOver } from './owner.ts';

export const command: Command = {
  usage: ['join --cloud HOST:10000 --token TOKEN [--node-name NAME] [--no-service]'],
  about: [
    'Makes this board a node of a cloud: checks by the token that it is the right cloud, makes a key that never leaves the board, gets a certificate',
    'for it, writes edgecore.yaml, starts the service (systemd) and waits until the cloud says Ready. `hivelet token create` makes tokens.',
    'A token on the command line is seen by all users of the board: --token - reads it from standard input, $HIVELET_JOIN_TOKEN works too.',
  ],
  flags: {
    cloud: { type: 'string', value: 'HOST:PORT', help: 'where the cloud takes links; without a port: 10000' },
    token: { type: 'string', value: 'TOKEN', help: 'of `hivelet token create`; - reads it from standard input' },
    'node-name': { type: 'string', value: 'NAME', help: 'name of the node (default: that of edgecore.yaml, else the host name)' },
    'cert-port': { type: 'string', value: 'PORT', help: "the cloud's certificate port (default 10002)" },
    'no-service': { type: 'boolean', help: 'install and start nothing; print what to run' },
  },
  async run(invocation) {
    const { args, flags, dataDir } = invocation;
    expectArgs(args, { least: 0, most: 0, what: '`hivelet join` takes flags only' });
    const wishes = await wishesOf(invocation);
    const host = thisHost(invocation.env);
    const asService = !flags.has('no-service') && hasSystemd(host);
    if (asService) checkService(host, dataDir);
    const files = boardFiles(dataDir);
    const joined = (await joinedBefore(invocation, { files, wishes })) ?? (await join(invocation, { files, wishes }));
    // What TLS listeners of its broker will show, once somebody configures one.
    const broker = await ensureBrokerCertificate({ dataDir, node: wishes.node, clock: invocation.clock }).catch((error: unknown) => {
      invocation.io.error(`the MQTT broker of this board has no certificate: ${messageOf(error)}`);
      return undefined;
    });
    handOver(dataDir, [dataDir, ...Object.values<string>({ ...files }), ...(broker === undefined ? [] : withFolders(broker.files))]);
    if (!asService) return printNext(invocation, wishes);
    await startService(host, await mapperServices(invocation));
    return waitReady(invocation, { wishes, joined });
  },
};

interface Wishes {
  token: TokenParts;
  /** `host:port` of the link. */
  server: string;
  door: Door;
  node: string;
}

/** What an edge asks by itself when it has to. */
const USUAL_DOOR = 10_002;
const DAY_MS = 86_400_000;
const READY_MS = 60_000;
const LOOK_MS = 500;

async function wishesOf(invocation: Invocation): Promise<Wishes> {
  const { flags, env } = invocation;
  const { host, port } = addressIn(flags.text('cloud'));
  const named = flags.text('token') ?? env['HIVELET_JOIN_TOKEN'] ?? '';
  const text = named === '-' ? await readAll(process.stdin) : named;
  if (text.trim() === '') throw new HiveletError('USAGE', '--token is missing: `hivelet token create` on the cloud prints one');
  const token = splitToken(text);
  if (token === undefined)
    throw new HiveletError('USAGE', 'the token is not whole: it has four parts with dots between them, the first of 64 digits');
  const certPort = portIn(flags.text('cert-port') ?? String(USUAL_DOOR), '--cert-port');
  const node = await nodeName(invocation);
  return { token, server: `${host.includes(':') ? `[${host}]` : host}:${port}`, door: { host, port: certPort }, node };
}

async function configOf({ flags, dataDir }: Invocation) {
  const { config } = boardFiles(dataDir);
  const file = (await readIfThere(config)) === undefined ? undefined : config;
  return loadConfig(edgeSchema, { file, sets: flags.texts('set') });
}

/** Plugins that edgecore.yaml makes services of their own. */
async function mapperServices(invocation: Invocation): Promise<string[]> {
  const placement = (await configOf(invocation)).get('modules.mapperHost.placement');
  const table = createPluginTable({ externalFolder: path.join(invocation.dataDir, 'edge', 'plugins') });
  return [...placesOf(table, placement)].flatMap(([plugin, place]) => (place === 'service' ? [plugin] : []));
}

async function nodeName(invocation: Invocation): Promise<string> {
  const configured = (await configOf(invocation)).get('modules.edged.hostnameOverride');
  const node = invocation.flags.text('node-name') ?? (configured || defaultNodeName());
  if (isNodeName(node)) return node;
  throw new HiveletError('USAGE', `"${node}" is no node name; use lower-case letters, digits, "-" and "." with --node-name`);
}

function addressIn(text: string | undefined): { host: string; port: number } {
  if (text === undefined)
    throw new HiveletError('USAGE', '--cloud is missing: write the address of the cloud, for instance --cloud cloud.example:10000');
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined)
    throw new HiveletError('USAGE', `--cloud ${text}: write HOST:PORT, for instance cloud.example:10000 or [fd00::1]:10000`);
  return { host, port: portIn(match?.[3] ?? '10000', '--cloud') };
}

function portIn(text: string, flag: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65535) return port;
  throw new HiveletError('USAGE', `${flag}: ${text} is no port`);
}

/** A second run goes on where the first one ended: with what it has, when that is what is wanted and the cloud still takes it. */
async function joinedBefore({ signal }: Invocation, { files, wishes }: { files: BoardFiles; wishes: Wishes }): Promise<Joined | undefined> {
  const { token, node, door } = wishes;
  const before = await joinedAs(files);
  if (before === undefined) return undefined;
  if (!authorityHashes(before.authority).includes(token.authority) || before.node !== node) {
    throw new HiveletError('USAGE', `this board has joined already, as node ${before.node}: run \`hivelet reset\` first`);
  }
  try {
    await fetchNodeState(door, { ca: before.authority, credential: { cert: before.certificate, key: before.key } }, signal);
  } catch (error) {
    // It ended, or was revoked: the token is for another one.
    if (isHiveletError(error, 'NOT_FOUND')) return undefined;
  }
  await writeJoin(files, before, settingsOf(wishes));
  return before;
}

function settingsOf({ server, node, door }: Wishes): JoinSettings {
  if (door.port === USUAL_DOOR) return { server, node };
  const host = door.host.includes(':') ? `[${door.host}]` : door.host;
  return { server, node, door: `https://${host}:${door.port}` };
}

async function join({ io, clock, signal }: Invocation, { files, wishes }: { files: BoardFiles; wishes: Wishes }): Promise<Joined> {
  const { token, door, node } = wishes;
  const settings = settingsOf(wishes);
  // Whatever is wrong with the file is told before anything is done.
  configWith(await readIfThere(files.config), settings, files.config);
  const { certificate: authority, cloudNowMs } = await fetchAuthority(door, signal);
  const found = fingerprintOf(authority);
  if (found !== token.authority) {
    const [got, wanted] = [found.slice(0, 12), token.authority.slice(0, 12)];
    throw new HiveletError(
      'NOT_FOUND',
      `the cloud at ${door.host} is not the one that made this token: its authority is ${got}…, that of the token ${wanted}… (after \`hivelet ca rotate\` make another token)`,
    );
  }
  const lag = clockLag(clock, cloudNowMs);
  if (lag !== undefined) io.error(lag);
  const { createRequest } = await import('../../cloud/pki/certificates.ts');
  const key = await pendingKey(files, async () => (await createRequest(node)).key);
  const { request } = await createRequest(node, key);
  const ca = authority.toString();
  try {
    const certificate = await fetchCertificate(door, { ca, bearer: token.bearer, node, body: request }, signal);
    checkCertificate(certificate, { authority, key, node });
    const joined = { authority: ca, certificate: certificate.toString(), key };
    await writeJoin(files, joined, settings);
    io.out(`joined as node ${node}: the certificate is good until ${new Date(certificate.validTo).toISOString().slice(0, 10)}`);
    return joined;
  } catch (error) {
    if (error instanceof NotDone) await undoPending(files);
    throw error;
  }
}

function clockLag(clock: Pick<Clock, 'now'>, cloudNowMs: number | undefined): string | undefined {
  const lagMs = cloudNowMs === undefined ? 0 : cloudNowMs - clock.now();
  if (Math.abs(lagMs) < DAY_MS) return undefined;
  const days = Math.round(Math.abs(lagMs) / DAY_MS);
  return `The clock of this board is ${days} days ${lagMs > 0 ? 'behind' : 'ahead of'} that of the cloud: readings carry wrong times until it is set.`;
}

function checkCertificate(
  certificate: X509Certificate,
  { authority, key, node }: { authority: X509Certificate; key: string; node: string },
): void {
  const fits = certificate.checkPrivateKey(createPrivateKey(key)) && certificate.verify(authority.publicKey);
  if (fits && certificate.subject.split('\n').includes(`CN=system:node:${node}`)) return;
  throw new HiveletError(
    'LINK_CLOSED',
    `the cloud answered with a certificate that is not for this board as ${node}: try again, or ask who runs it`,
  );
}

function printNext({ io, dataDir, flags }: Invocation, { node }: Wishes): number {
  if (!flags.has('no-service')) io.out('There is no systemd here, so no service was installed.');
  io.out(`Start the edge with: hivelet edge --data-dir ${dataDir}`);
  io.out(`Then look from the cloud: kubectl get node ${node}`);
  return 0;
}

async function waitReady({ io, clock, signal }: Invocation, { wishes, joined }: { wishes: Wishes; joined: Joined }): Promise<number> {
  const { door, node } = wishes;
  const access = { ca: joined.authority, credential: { cert: joined.certificate, key: joined.key } };
  const untilMs = clock.monotonic() + READY_MS;
  let last = 'the cloud has not answered';
  while (clock.monotonic() < untilMs) {
    const state = await fetchNodeState(door, access, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      return { ready: '', message: error instanceof Error ? error.message : String(error) };
    });
    if (state.ready === 'True') {
      io.out(`node ${node} is Ready`);
      return 0;
    }
    last = state.message;
    await clock.sleep(LOOK_MS, signal);
  }
  throw new HiveletError(
    'LINK_CLOSED',
    `node ${node} has joined but is not Ready after ${READY_MS / 1000} s (${last}): see \`journalctl -u ${UNIT}\``,
  );
}
