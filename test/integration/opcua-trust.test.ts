/** Proves `hivelet opcua trust`: what it lists, trusts and rejects, and what it says when it cannot. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { TrustList } from '#mappers/opcua/trust-list.ts';
import { makeServerCertificate } from '#test/simulators/opcua-certificate.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { commonFlags, parseCommandLine } from '../../bin/commands/command.ts';
import { command } from '../../bin/commands/opcua.ts';

const dataDir = tempDir();
const directory = path.join(dataDir, 'edge', 'pki', 'opcua');
const list = new TrustList(directory);
const press = await makeServerCertificate(path.join(dataDir, 'press'), 'Press');
const lathe = await makeServerCertificate(path.join(dataDir, 'lathe'), 'Lathe');

async function run(...argv: string[]): Promise<string[]> {
  const lines: string[] = [];
  const { args, flags } = parseCommandLine({ ...command.flags, ...commonFlags }, argv);
  const io = { out: (line: string) => void lines.push(line), error: (line: string) => void lines.push(line), terminal: false };
  const code = await command.run({ args, flags, io, env: {}, clock: systemClock, signal: new AbortController().signal, dataDir });
  assert.is(code, 0);
  return lines;
}

async function failure(...argv: string[]): Promise<string> {
  return run(...argv).then(
    () => 'done',
    (error: unknown) => (isHiveletError(error) ? `${error.code} ${error.message}` : String(error)),
  );
}

test('on a new board nothing is listed, and it says when the own certificate is made', async () => {
  assert.equal(await run('trust'), [
    'no server has shown a certificate yet, and none is trusted',
    'own: made with the first OPC UA device',
  ]);
});

test('what waits is listed with host and end, trusted by its thumbprint, and rejected again', async () => {
  await list.wait(press.der);
  const [head, line, own] = await run('trust');
  assert.match(head ?? '', /^TRUST +THUMBPRINT +NAME +HOSTS +VALID TO$/);
  assert.match(line ?? '', new RegExp(`^waiting +${press.thumbprint} +Press +localhost 127\\.0\\.0\\.1 +20\\d\\d-\\d\\d-\\d\\d$`));
  assert.is(own, 'own: made with the first OPC UA device');
  assert.equal(await run('trust', press.thumbprint.slice(0, 8)), [`trusted: Press (${press.thumbprint})`]);
  assert.equal(await run('trust', '--reject', press.thumbprint), [`rejected: Press (${press.thumbprint})`]);
  assert.match((await run('trust'))[1] ?? '', /^waiting /);
});

test('a file is trusted before its server was met, and the list is JSON for programs', async () => {
  const file = path.join(dataDir, 'lathe.der');
  writeFileSync(file, lathe.der);
  assert.equal(await run('trust', file), [`trusted: Lathe (${lathe.thumbprint})`]);
  const shown = JSON.parse((await run('trust', '--json')).join('\n')) as { own: unknown; servers: { name: string; trust: string }[] };
  assert.is(shown.own, null);
  assert.equal(
    shown.servers.map(({ name, trust }) => [name, trust]),
    [
      ['Lathe', 'trusted'],
      ['Press', 'waiting'],
    ],
  );
});

test('wrong usage and unknown certificates are one sentence', async () => {
  mkdirSync(path.join(dataDir, 'folder'), { recursive: true });
  assert.match(await failure('list'), /^USAGE write opcua trust/);
  assert.match(await failure('trust', '--reject'), /^USAGE /);
  assert.match(await failure('trust', 'ABCDEF0123'), /^NOT_FOUND the thumbprint ABCDEF0123 is not listed: run hivelet opcua trust/);
  assert.match(await failure('trust', path.join(dataDir, 'folder')), /^NOT_FOUND .* holds no certificate/);
});

test.run();
