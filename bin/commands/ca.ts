/** Owns `hivelet ca`: one authority takes over from another while the fleet runs, seen and driven by a person. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { loadConfig } from '#beehive/config-file.ts';
import { HiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { cloudSchema } from '../../cloud/config.ts';
import { AuthorityUses, boardsOf, shortName, stateOf, type BoardState } from '../../cloud/enrolment/authority-use.ts';
import { NodeLists } from '../../cloud/enrolment/node-lists.ts';
import { RotationRecords, type RotationRecord } from '../../cloud/enrolment/rotation-record.ts';
import { authorityFiles, readAuthorities, writeNext } from '../../cloud/pki/authorities.ts';
import { AuthoritySite } from '../../cloud/pki/authority-site.ts';
import { authorityHash } from '../../cloud/pki/node-signer.ts';
import { sealKey } from '../../cloud/pki/sealed-key.ts';
import type { KubeApi } from '../../cloud/store/kube-api.ts';
import { clusterFlags, withApi } from './cluster/session.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { handOver } from './owner.ts';
import { columns } from './twins/columns.ts';

export const command: Command = {
  usage: ['ca status [--json]', 'ca rotate', 'ca drop-old [--force]'],
  about: [
    '`rotate` makes a new authority beside the one in use. Running clouds and boards take it over by themselves: boards trust both and get',
    'certificates of the new one, then hub and API server show certificates of it. `status` shows who still needs the old one; `drop-old` ends',
    'the trust in it once nobody does. Nothing has to be started again. Boards that are away meanwhile follow when they come back: wait for them,',
    'or drop with --force and join them again.',
  ],
  flags: {
    ...clusterFlags,
    json: { type: 'boolean', help: 'status: the same as JSON' },
    force: { type: 'boolean', help: 'drop-old: also while boards need it; they have to join again' },
  },
  async run(invocation) {
    const [verb, ...rest] = invocation.args;
    expectArgs(rest, { least: 0, most: 0, what: `\`hivelet ca ${verb ?? ''}\` takes flags only` });
    switch (verb) {
      case 'status':
        return withApi(invocation, (api) => status(invocation, api));
      case 'rotate':
        return withApi(invocation, (api) => rotate(invocation, api));
      case 'drop-old':
        return withApi(invocation, (api) => dropOld(invocation, api));
      default:
        throw new HiveletError('USAGE', 'write ca status, ca rotate or ca drop-old');
    }
  },
};

const NAMED = ['tlsCAFile', 'tlsCAKeyFile', 'tlsCertFile', 'tlsPrivateKeyFile'] as const;
const DAY_MS = 86_400_000;
/** A cloudcore of this machine goes along within so long; else its files are moved from here. */
const FOLLOW_MS = 10_000;
const MOST_NAMED = 10;

async function status({ flags, io, clock }: Invocation, api: KubeApi): Promise<number> {
  const record = await new RotationRecords({ api, clock }).read();
  const states = record === undefined ? [] : await statesOf(record, { flags, clock }, api);
  if (flags.has('json')) {
    io.out(JSON.stringify({ ...(record === undefined ? { phase: 'none' } : shownRecord(record)), boards: states }, undefined, 2));
    return 0;
  }
  if (record === undefined) {
    io.out('There is one authority. `hivelet ca rotate` starts to replace it.');
    return 0;
  }
  for (const line of headOf(record)) io.out(line);
  if (record.phase === 'dropped') return 0;
  const rows = states.map(({ node, trustsNew, usesNew, note }) => [node, trustsNew ? 'yes' : 'no', usesNew ? 'new' : 'old', note]);
  for (const line of columns(['NODE', 'TRUSTS NEW', 'CERTIFICATE', 'NOTE'], rows)) io.out(line);
  io.out(nextStep(record, states));
  return 0;
}

async function rotate(invocation: Invocation, api: KubeApi): Promise<number> {
  const { dataDir, clock, io } = invocation;
  checkOwnFiles(invocation);
  const records = new RotationRecords({ api, clock });
  const before = await records.read();
  if (before !== undefined && before.phase !== 'dropped') {
    throw new HiveletError('USAGE', 'the authority is being replaced already: see `hivelet ca status`, end it with `hivelet ca drop-old`');
  }
  const files = authorityFiles(dataDir);
  if (before !== undefined) await siteOf(invocation).follow(before);
  const present = await readAuthorities(files);
  if (present === undefined) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `there is no authority in ${dataDir}/pki: run this where \`hivelet init\` ran, with the same --data-dir`,
    );
  }
  const { createAuthority } = await import('../../cloud/pki/certificates.ts');
  // One that was made by a try that ended here is as good.
  const next = present.next ?? (await createAuthority(clock.now()));
  if (present.next === undefined) await writeNext(files, next);
  handOver(dataDir, [path.dirname(files.key), files.nextKey, files.nextCertificate]);
  const sealed = sealKey(next.key, { by: readFileSync(files.key, 'utf8'), name: authorityHash(next.certificate) });
  await new AuthorityUses({ api, clock }).clear();
  await records.begin({ old: present.primary, next: next.certificate, sealed });
  io.out(`The new authority is ${shortName(next.certificate)}; ${shortName(present.primary)} stays trusted beside it.`);
  io.out('Clouds and boards take it over now. `hivelet ca status` shows how far they are, `hivelet ca drop-old` ends it.');
  return 0;
}

async function dropOld(invocation: Invocation, api: KubeApi): Promise<number> {
  const { clock, io, flags, dataDir, signal } = invocation;
  const records = new RotationRecords({ api, clock });
  const record = await records.read();
  if (record === undefined || record.phase === 'dropped') {
    io.out('There is no old authority: nothing was changed.');
    return 0;
  }
  const behind = (await statesOf(record, invocation, api)).filter(({ trustsNew, usesNew }) => !trustsNew || !usesNew);
  if (!flags.has('force')) checkNobodyNeeds(record, behind);
  await records.advance('moved');
  if (flags.has('force') && record.phase === 'overlap') await clock.sleep(FOLLOW_MS / 2, signal);
  await records.advance('dropped');
  const now = await records.read();
  const hasFiles = (await readAuthorities(authorityFiles(dataDir))) !== undefined;
  if (now !== undefined && hasFiles) await settle(invocation, now);
  io.out(`The authority ${shortName(record.old)} is no longer trusted.`);
  if (behind.length > 0) io.out(`These boards have to join again: ${named(behind)}`);
  io.out('A cloud on a cluster starts from Secret kubeedge/hivelet-pki: put pki/ca.crt and pki/ca.key of this directory there.');
  return 0;
}

/** A cloudcore with this data directory does it by itself. */
async function settle(invocation: Invocation, record: RotationRecord): Promise<void> {
  const { clock, dataDir, signal } = invocation;
  const files = authorityFiles(dataDir);
  const untilMs = clock.monotonic() + FOLLOW_MS;
  while (clock.monotonic() < untilMs) {
    const present = await readAuthorities(files);
    const isThere = present !== undefined && authorityHash(present.primary) === authorityHash(record.next);
    if (isThere && present.old === undefined && present.next === undefined) return;
    await clock.sleep(200, signal);
  }
  await siteOf(invocation).follow(record);
  handOver(dataDir, [files.certificate, files.key]);
}

function siteOf({ dataDir, clock }: Invocation): AuthoritySite {
  const named = { tlsCAFile: '', tlsCAKeyFile: '', tlsCertFile: '', tlsPrivateKeyFile: '' };
  return new AuthoritySite({ dataDir, named, advertise: [], clock, log: silentLogger() });
}

function checkNobodyNeeds(record: RotationRecord, behind: readonly BoardState[]): void {
  if (behind.length > 0) {
    throw new HiveletError(
      'USAGE',
      `${behind.length === 1 ? 'a board still needs' : `${behind.length} boards still need`} the old authority: ${named(behind)}; wait for them, ` +
        'or drop it with --force and join them again',
    );
  }
  if (record.phase === 'overlap') {
    throw new HiveletError(
      'USAGE',
      'the servers still show certificates of the old authority: is a cloud running? They move within seconds',
    );
  }
}

function named(states: readonly BoardState[]): string {
  const names = states.slice(0, MOST_NAMED).map(({ node, note }) => (note === '' ? node : `${node} (${note})`));
  return `${names.join(', ')}${states.length > MOST_NAMED ? ` and ${states.length - MOST_NAMED} more` : ''}`;
}

function checkOwnFiles({ flags, dataDir }: Invocation): void {
  const own = path.join(dataDir, 'cloud', 'cloudcore.yaml');
  const config = loadConfig(cloudSchema, { file: flags.texts('config').at(-1) ?? existing(own), sets: flags.texts('set') });
  const key = NAMED.find((each) => config.get(`modules.cloudHub.${each}`) !== '');
  if (key === undefined) return;
  throw new HiveletError(
    'USAGE',
    `modules.cloudHub.${key} names a file that is not ours to replace: put the old and the new authority into it and start the clouds again`,
  );
}

function existing(file: string): string | undefined {
  try {
    readFileSync(file);
    return file;
  } catch {
    return undefined;
  }
}

async function statesOf(
  record: RotationRecord,
  { flags, clock }: Pick<Invocation, 'flags' | 'clock'>,
  api: KubeApi,
): Promise<BoardState[]> {
  const config = loadConfig(cloudSchema, { file: flags.texts('config').at(-1), sets: flags.texts('set') });
  const graceMs = config.get('modules.cloudHub.certificateGrace') * DAY_MS;
  const boards = await boardsOf({ api, lists: new NodeLists({ api, clock, graceMs }), nowMs: clock.now() });
  const uses = await new AuthorityUses({ api, clock }).read();
  return boards.map((node) => stateOf(record, node, uses.get(node)));
}

function headOf(record: RotationRecord): string[] {
  const { old, next, phase, startedMs } = record;
  const ends = (pem: string): string => new Date(new X509Certificate(pem).validTo).toISOString().slice(0, 10);
  const since = new Date(startedMs).toISOString();
  if (phase === 'dropped') return [`The authority is ${shortName(next)}, good until ${ends(next)}; ${shortName(old)} was replaced by it.`];
  return [
    `New authority ${shortName(next)}, good until ${ends(next)}, since ${since}.`,
    `Old authority ${shortName(old)}, good until ${ends(old)}, still trusted. Servers show certificates of the ${phase === 'overlap' ? 'old' : 'new'} one.`,
  ];
}

function nextStep({ phase }: RotationRecord, states: readonly BoardState[]): string {
  const trust = states.filter(({ trustsNew }) => trustsNew).length;
  const use = states.filter(({ usesNew }) => usesNew).length;
  if (phase === 'overlap') return `${trust} of ${states.length} boards trust the new one; the servers move to it when all do.`;
  if (use < states.length) return `${use} of ${states.length} boards have a certificate of the new one; when all do: hivelet ca drop-old`;
  return 'Nobody needs the old one any more: hivelet ca drop-old';
}

function shownRecord({ phase, old, next, startedMs }: RotationRecord): Record<string, unknown> {
  return { phase, old: shortName(old), new: shortName(next), started: new Date(startedMs).toISOString() };
}
