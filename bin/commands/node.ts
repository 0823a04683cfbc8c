/** Owns `hivelet node`: which nodes have which certificates, and taking them away. */
import { HiveletError } from '#beehive/errors.ts';
import { NodeLists, type NodeList } from '../../cloud/enrolment/node-lists.ts';
import { nodes, type KubeObject } from '../../cloud/store/kube-api.ts';
import { clusterFlags, withApi } from './cluster/session.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { columns } from './twins/columns.ts';

export const command: Command = {
  usage: ['node list', 'node revoke NAME...', 'node allow NAME...'],
  about: [
    '`revoke` ends the link of a node at once and refuses its certificates from then on; `kubectl delete node` does the same. To come back, the board',
    'joins again with a new token. `allow` takes the list of its certificates away: all that our authority issued for the name are good again.',
  ],
  flags: { ...clusterFlags, json: { type: 'boolean', help: 'list: the same as JSON' } },
  async run(invocation) {
    const [verb, ...names] = invocation.args;
    switch (verb) {
      case 'list':
        expectArgs(names, { least: 0, most: 0, what: '`hivelet node list` takes flags only' });
        return list(invocation);
      case 'revoke':
      case 'allow':
        expectArgs(names, { least: 1, most: 1000, what: `\`hivelet node ${verb} NAME\` takes names of nodes` });
        return verb === 'revoke' ? revoke(invocation, names) : allow(invocation, names);
      default:
        throw new HiveletError('USAGE', 'write node list, node revoke NAME or node allow NAME');
    }
  },
};

async function list(invocation: Invocation): Promise<number> {
  const { flags, io, clock } = invocation;
  const lines = await withApi(invocation, async (api) => {
    const [lists, { items }] = [await new NodeLists({ api, clock }).all(), await api.list(nodes)];
    return linesOf(lists, items, clock.now());
  });
  if (flags.has('json')) io.out(JSON.stringify(lines, undefined, 2));
  else if (lines.length === 0) io.out('no nodes');
  else
    for (const line of columns(
      ['NAME', 'STATUS', 'CERTIFICATES', 'LAST ENDS'],
      lines.map((each) => [each.name, each.status, each.certificates, each.ends]),
    ))
      io.out(line);
  return 0;
}

interface NodeLine {
  name: string;
  status: string;
  certificates: string;
  ends: string;
}

function linesOf(lists: readonly NodeList[], items: readonly KubeObject[], now: number): NodeLine[] {
  const listed = new Map(lists.map((each) => [each.node, each]));
  const objects = new Map(items.map((each) => [each.metadata.name, each]));
  const names = [...new Set([...listed.keys(), ...objects.keys()])].sort();
  return names.map((name) => {
    const live = listed.get(name)?.certificates.filter(({ endsMs }) => endsMs > now);
    const last = Math.max(...(live ?? []).map(({ endsMs }) => endsMs));
    const certificates = live === undefined ? 'any of the authority' : live.length === 0 ? 'revoked' : String(live.length);
    return {
      name,
      status: statusOf(objects.get(name)),
      certificates,
      ends: Number.isFinite(last) ? new Date(last).toISOString().slice(0, 10) : '-',
    };
  });
}

function statusOf(node: KubeObject | undefined): string {
  if (node === undefined) return 'not registered';
  const { conditions = [] } = (node['status'] ?? {}) as { conditions?: { type?: string; status?: string }[] };
  return conditions.find(({ type }) => type === 'Ready')?.status === 'True' ? 'Ready' : 'NotReady';
}

async function revoke(invocation: Invocation, names: readonly string[]): Promise<number> {
  return withApi(invocation, async (api) => {
    const lists = new NodeLists({ api, clock: invocation.clock });
    for (const name of names) {
      if (!isKnown(name, await lists.all(), (await api.list(nodes)).items))
        throw new HiveletError('NOT_FOUND', `there is no node ${name}; see \`hivelet node list\``);
      await lists.revoke(name);
      invocation.io.out(`revoked ${name}: its link ends, and its certificates are refused from now on`);
    }
    return 0;
  });
}

async function allow(invocation: Invocation, names: readonly string[]): Promise<number> {
  return withApi(invocation, async (api) => {
    const lists = new NodeLists({ api, clock: invocation.clock });
    for (const name of names) {
      const done = await lists.release(name);
      invocation.io.out(
        done ? `allowed ${name}: every certificate of the authority that names it is good` : `${name} has no list: nothing to do`,
      );
    }
    return 0;
  });
}

function isKnown(name: string, lists: readonly NodeList[], items: readonly KubeObject[]): boolean {
  return lists.some(({ node }) => node === name) || items.some(({ metadata }) => metadata.name === name);
}
