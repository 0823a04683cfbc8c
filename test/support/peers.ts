/** Owns the independent programs that tests talk to: where they are, what to say when one is missing, how to install them. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

/** Debian packages that bring each peer. */
const packages = {
  mosquitto: ['mosquitto'],
  mosquitto_sub: ['mosquitto-clients'],
  mosquitto_pub: ['mosquitto-clients'],
  mbpoll: ['mbpoll'],
  kubectl: ['kubernetes-client'],
  socat: ['socat'],
  strace: ['strace'],
  faketime: ['faketime'],
  pymodbus: ['python3-pymodbus', 'python3-serial', 'python3-serial-asyncio'],
  'systemd-analyze': ['systemd'],
  'systemd-notify': ['systemd'],
  python3: ['python3'],
  openssl: ['openssl'],
} as const satisfies Record<string, readonly string[]>;

export type Peer = keyof typeof packages;

const peers = Object.keys(packages) as Peer[];
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const answers = new Map<Peer, string | undefined>();

/** Whether the peer can be used here. */
export function havePeer(peer: Peer): boolean {
  return findPeer(peer) !== undefined;
}

/** Absolute path of the peer's program (for `pymodbus`: of the python3 that has it). Throws with the reason when it is missing. */
export function peerPath(peer: Peer): string {
  const found = findPeer(peer);
  if (found === undefined) throw new Error(missing(peer));
  return found;
}

/** Anything with uvu's shape: a test function that can skip. */
interface Testing<Handler> {
  (name: string, handler: Handler): void;
  skip(name?: string, handler?: Handler): void;
}

/**
 * `const peerTest = needing(test, 'mosquitto')`: the given test function, or, where a peer is missing, one that skips each test and prints
 * the reason as the runner wants it.
 */
export function needing<Handler>(test: Testing<Handler>, ...wanted: Peer[]): (name: string, handler: Handler) => void {
  const absent = wanted.filter((peer) => !havePeer(peer));
  if (absent.length === 0) return (name, handler) => test(name, handler);
  return (name, handler) => skipTest(test, { name, handler, reason: absent.map(missing).join('; ') });
}

/** Skips one test with a printed reason. */
export function skipTest<Handler>(
  test: Testing<Handler>,
  { name, handler, reason }: { name: string; handler: Handler; reason: string },
): void {
  process.stdout.write(`SKIP ${name.replaceAll(':', ' -')}: ${reason}\n`);
  test.skip(name, handler);
}

/** Installs what is missing where that is possible (as root, with apt-get). Answers in sentences what was done and what is still missing. */
export function ensurePeers(): string[] {
  const wanted = peers.filter((peer) => !havePeer(peer));
  if (wanted.length === 0) return [];
  const obstacle = whyNotInstall();
  if (obstacle !== undefined) return wanted.map((peer) => `${missing(peer)} (${obstacle}); its tests are skipped`);
  const brokerWasHere = havePeer('mosquitto');
  install([...new Set(wanted.flatMap((peer) => packages[peer]))]);
  answers.clear();
  // The package starts a broker on the port that our own uses.
  if (!brokerWasHere && havePeer('mosquitto')) run('systemctl', ['disable', '--now', 'mosquitto']);
  return wanted.map((peer) => (havePeer(peer) ? `installed ${packages[peer].join(' ')}` : `${missing(peer)}; its tests are skipped`));
}

function missing(peer: Peer): string {
  return `${peer} is missing: apt-get install ${packages[peer].join(' ')}`;
}

function findPeer(peer: Peer): string | undefined {
  if (!answers.has(peer)) answers.set(peer, probe(peer));
  return answers.get(peer);
}

function probe(peer: Peer): string | undefined {
  if (peer === 'pymodbus') return candidates('python3').find((python) => run(python, ['-c', 'import pymodbus']));
  const [program] = candidates(peer);
  // Containers often forbid tracing though strace is there.
  if (peer === 'strace' && program !== undefined && !run(program, ['-o', '/dev/null', 'true'])) return undefined;
  return program;
}

/** Every executable of that name, those on PATH first: the python3 that has Debian's modules is often not the first. */
function candidates(name: string): string[] {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_FOLDERS].filter((folder) => folder !== '');
  return [...new Set(folders)].map((folder) => path.join(folder, name)).filter(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function whyNotInstall(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root, so it cannot be installed';
  return candidates('apt-get').length === 0 ? 'no apt-get here' : undefined;
}

function install(names: readonly string[]): void {
  const options = ['-y', '-q', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20'];
  run('apt-get', [...options, 'update']);
  const add = [...options, '--no-install-recommends', 'install'];
  // One name that a release does not know would keep all the others away.
  if (!run('apt-get', [...add, ...names])) for (const name of names) run('apt-get', [...add, name]);
}

function run(command: string, args: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { stdio: 'ignore', env, timeout: 600_000 }).status === 0;
}
