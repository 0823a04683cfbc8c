/** Owns the edge as a service of systemd: the user, the unit with the drop-in of this board, starting and removing it. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { recogniseBoard } from '../../../boards/board.ts';
import { dropInOf } from '../../../boards/drop-in.ts';
import { boardNeeds } from '../../../boards/needs.ts';

export interface ServiceHost {
  /** Where `/etc` and `/run` are; `/` but in tests. */
  root: string;
  uid: number;
  /** Runs a program to its end; rejects when it fails. */
  run(program: string, args: readonly string[]): Promise<void>;
  /** The launcher that the unit starts. */
  launcher: string;
  /** Id of a board, '' = what the machine says. */
  board: string;
}

export const UNIT = 'hivelet-edge.service';
/** Before the name of a plugin that is a service of its own. */
const MAPPER = 'hivelet-mapper@';
/** The unit keeps its data there (StateDirectory), and may write nowhere else. */
export const SERVICE_DATA_DIR = '/var/lib/hivelet';
const SOURCES = path.join(import.meta.dirname, '../../../conf/systemd');

const execute = promisify(execFile);

export function thisHost(env: Readonly<Record<string, string | undefined>>): ServiceHost {
  return {
    root: '/',
    uid: process.getuid?.() ?? -1,
    run: async (program, args) => void (await execute(program, [...args])),
    launcher: path.join(import.meta.dirname, '../../hivelet'),
    board: env['HIVELET_BOARD'] ?? '',
  };
}

export function hasSystemd({ root }: Pick<ServiceHost, 'root'>): boolean {
  return existsSync(path.join(root, 'run/systemd/system'));
}

/** Before anything is done. Throws USAGE. */
export function checkService({ uid }: ServiceHost, dataDir: string): void {
  if (uid !== 0) throw new HiveletError('USAGE', 'installing the service needs root: run it with sudo, or with --no-service');
  if (dataDir !== SERVICE_DATA_DIR)
    throw new HiveletError('USAGE', `the service keeps its data in ${SERVICE_DATA_DIR}: leave out --data-dir, or use --no-service`);
}

/**
 * Installs what differs, and starts the service anew; `mappers`: the plugins that are to be services of their own, others are no longer.
 * Throws INTERNAL with what failed and what to do.
 */
export async function startService(host: ServiceHost, mappers: readonly string[] = []): Promise<void> {
  const { root } = host;
  const etc = (name: string): string => path.join(root, 'etc', name);
  for (const plugin of installedMappers(host)) if (!mappers.includes(plugin)) await removeMapper(host, plugin);
  const recognised = recogniseBoard({ root, wanted: host.board });
  put(etc('sysusers.d/hivelet.conf'), source('hivelet.sysusers.conf'));
  put(etc(`systemd/system/${UNIT}`), launching(host, source(UNIT)));
  put(etc(`systemd/system/${UNIT}.d/board.conf`), dropInOf(recognised.board, boardNeeds(recognised.board, undefined, root).groups));
  for (const plugin of mappers) putMapper(host, plugin);
  await must(host, 'systemd-sysusers', ['hivelet.conf']);
  await must(host, 'systemctl', ['daemon-reload']);
  await must(host, 'systemctl', ['enable', '--quiet', UNIT]);
  for (const plugin of mappers) await must(host, 'systemctl', ['enable', '--quiet', '--now', `${MAPPER}${plugin}.path`]);
  await must(host, 'systemctl', ['restart', UNIT]);
}

/** False when there was none. */
export async function removeService(host: ServiceHost): Promise<boolean> {
  const unit = path.join(host.root, 'etc/systemd/system', UNIT);
  if (!existsSync(unit)) return false;
  for (const plugin of installedMappers(host)) await removeMapper(host, plugin);
  await must(host, 'systemctl', ['disable', '--quiet', '--now', UNIT]);
  rmSync(unit);
  rmSync(`${unit}.d`, { recursive: true, force: true });
  await must(host, 'systemctl', ['daemon-reload']);
  return true;
}

/** Of one plugin: the unit, what starts it, and the rights that only this plugin needs. */
function putMapper(host: ServiceHost, plugin: string): void {
  const folder = path.join(host.root, 'etc/systemd/system');
  put(path.join(folder, `${MAPPER}${plugin}.service`), launching(host, source(`${MAPPER}.service`)));
  put(path.join(folder, `${MAPPER}${plugin}.path`), source(`${MAPPER}.path`));
  const rights = `${MAPPER}${plugin}.conf`;
  if (existsSync(path.join(SOURCES, rights))) put(path.join(folder, `${MAPPER}${plugin}.service.d/rights.conf`), source(rights));
}

function installedMappers({ root }: ServiceHost): string[] {
  const folder = path.join(root, 'etc/systemd/system');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => /^hivelet-mapper@([a-z0-9-]+)\.path$/.exec(name)?.[1] ?? []);
}

async function removeMapper(host: ServiceHost, plugin: string): Promise<void> {
  const unit = path.join(host.root, 'etc/systemd/system', `${MAPPER}${plugin}`);
  await must(host, 'systemctl', ['disable', '--quiet', '--now', `${MAPPER}${plugin}.path`]);
  await must(host, 'systemctl', ['stop', `${MAPPER}${plugin}.service`]);
  for (const file of ['.path', '.service', '.service.d']) rmSync(`${unit}${file}`, { recursive: true, force: true });
}

function launching({ launcher }: ServiceHost, unit: string): string {
  return unit.replaceAll('/usr/bin/hivelet', launcher.includes(' ') ? `"${launcher}"` : launcher);
}

async function must(host: ServiceHost, program: string, args: readonly string[]): Promise<void> {
  try {
    await host.run(program, args);
  } catch (cause) {
    const line = `${program} ${args.join(' ')}`;
    throw new HiveletError(
      'INTERNAL',
      `${line} failed (${messageOf(cause).split('\n')[0] ?? ''}): see \`journalctl -u ${UNIT}\`, then join again`,
      { cause },
    );
  }
}

function source(name: string): string {
  return readFileSync(path.join(SOURCES, name), 'utf8');
}

function put(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode: 0o644 });
}
