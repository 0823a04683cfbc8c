/** Owns `hivelet token`: makes, shows and revokes the tokens with which boards join. */
import { HiveletError } from '#beehive/errors.ts';
import { MOST_USES, TokenStore, parseLife, type TokenRecord } from '../../cloud/enrolment/token-store.ts';
import { ensureNamespace } from '../../cloud/enrolment/secrets.ts';
import { authorityHash } from '../../cloud/pki/node-signer.ts';
import { clusterFlags, readAuthority, withApi } from './cluster/session.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { ageText, columns } from './twins/columns.ts';

export const command: Command = {
  usage: ['token create [--node NAME] [--uses N] [--ttl 24h]', 'token list', 'token revoke ID...'],
  about: [
    'A join token lets a board get its certificate: `hivelet join` checks by it that it talks to this cloud, the cloud that the board was invited.',
    '`create` prints the token and nothing else on standard output. It is shown once: the cluster keeps its hash only (Secrets in namespace kubeedge).',
  ],
  flags: {
    ...clusterFlags,
    node: { type: 'string', value: 'NAME', help: 'create: only this node may join with it; a board that has the name now is replaced' },
    uses: { type: 'string', value: 'N', help: `create: how many boards may join with it, 1 to ${MOST_USES} (default: any number)` },
    ttl: { type: 'string', value: 'TIME', help: 'create: how long it is good: 30m, 24h, 7d (default 24h)' },
    json: { type: 'boolean', help: 'list: the same as JSON' },
  },
  async run(invocation) {
    const [verb, ...rest] = invocation.args;
    switch (verb) {
      case 'create':
        expectArgs(rest, { least: 0, most: 0, what: '`hivelet token create` takes flags only' });
        return create(invocation);
      case 'list':
        expectArgs(rest, { least: 0, most: 0, what: '`hivelet token list` takes flags only' });
        return list(invocation);
      case 'revoke':
        expectArgs(rest, { least: 1, most: 1000, what: '`hivelet token revoke ID` takes ids of `hivelet token list`' });
        return revoke(invocation, rest);
      default:
        throw new HiveletError('USAGE', 'write token create, token list or token revoke ID');
    }
  },
};

async function create(invocation: Invocation): Promise<number> {
  const { flags, io, clock } = invocation;
  const node = flags.text('node');
  if (node !== undefined && !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(node))
    throw new HiveletError('USAGE', `--node ${node}: use lower-case letters, digits, "-" and "."`);
  const ttlMs = parseLife(flags.text('ttl') ?? '24h');
  const uses = usesIn(flags.text('uses'));
  const authority = authorityHash(readAuthority(invocation));
  const { text, record } = await withApi(invocation, async (api) => {
    await ensureNamespace(api);
    return new TokenStore({ api, clock }).create({ authority, ttlMs, node, uses });
  });
  io.out(text);
  const who = node === undefined ? 'any board' : `node ${node}`;
  const count = uses === undefined ? '' : `, ${uses === 1 ? 'once' : `${uses} times`}`;
  io.error(`Token ${record.id}, for ${who}${count}, good until ${new Date(record.expiresMs).toISOString()}. On the board:`);
  io.error(`  hivelet join --cloud HOST:10000${node === undefined ? '' : ` --node-name ${node}`} --token TOKEN`);
  return 0;
}

async function list(invocation: Invocation): Promise<number> {
  const { flags, io, clock } = invocation;
  const records = await withApi(invocation, (api) => new TokenStore({ api, clock }).list());
  if (flags.has('json')) io.out(JSON.stringify(records.map(shown), undefined, 2));
  else if (records.length === 0) io.out('no tokens');
  else for (const line of table(records, clock.now())) io.out(line);
  return 0;
}

async function revoke(invocation: Invocation, ids: readonly string[]): Promise<number> {
  return withApi(invocation, async (api) => {
    const tokens = new TokenStore({ api, clock: invocation.clock });
    for (const id of ids) {
      if (!(await tokens.revoke(id))) throw new HiveletError('NOT_FOUND', `there is no token ${id}; see \`hivelet token list\``);
      invocation.io.out(`revoked ${id}`);
    }
    return 0;
  });
}

function table(records: readonly TokenRecord[], now: number): string[] {
  const rows = records.map(({ id, node, uses, used, expiresMs }) => [
    id,
    node ?? 'any',
    uses === undefined ? 'any number' : `${used.length} of ${uses}`,
    ageText(expiresMs - now),
  ]);
  return columns(['ID', 'NODE', 'USED', 'ENDS IN'], rows);
}

function shown({ id, node, uses, used, expiresMs }: TokenRecord) {
  return { id, node, uses, used: used.map((use) => use.node), expires: new Date(expiresMs).toISOString() };
}

function usesIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const uses = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (uses >= 1 && uses <= MOST_USES) return uses;
  throw new HiveletError('USAGE', `--uses ${text}: write a number from 1 to ${MOST_USES}`);
}
