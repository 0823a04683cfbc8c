/** Owns `hivelet user`: a person or program that may use the API: a ServiceAccount, a role, and a kubeconfig with a token. */
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { isKubeError, type KubeObject, type KubeObjectInput, type ResourceType } from '../../cloud/store/kube-api.ts';
import { KubeClient } from '../../cloud/store/kubeconfig/client.ts';
import { readKubeconfig, writeKubeconfig } from '../../cloud/store/kubeconfig/file.ts';
import { expectArgs, type Command, type Invocation } from './command.ts';
import { kubeconfigFile } from './twins/access.ts';

const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' };
const accounts: ResourceType = { group: '', version: 'v1', plural: 'serviceaccounts', kind: 'ServiceAccount', namespaced: true };
const roleBindings: ResourceType = { ...RBAC, plural: 'rolebindings', kind: 'RoleBinding', namespaced: true };
const clusterRoleBindings: ResourceType = { ...RBAC, plural: 'clusterrolebindings', kind: 'ClusterRoleBinding', namespaced: false };
const clusterRoles: ResourceType = { ...RBAC, plural: 'clusterroles', kind: 'ClusterRole', namespaced: false };

const HOURS = 720;
const UNIT_SECONDS = new Map([
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
]);

export const command: Command = {
  usage: ['user NAME --role ROLE [--namespace NAME | --all-namespaces] [--for 720h] [--out FILE]'],
  about: [
    'Makes a user of the Kubernetes API: a ServiceAccount, bound to a role (view, edit, admin, device-operator, or a ClusterRole of yours), and a',
    'kubeconfig with a token. Run again, it renews the token. `kubectl delete serviceaccount NAME` ends all tokens of the user at once.',
  ],
  flags: {
    role: { type: 'string', value: 'ROLE', help: 'the ClusterRole that the user gets' },
    namespace: {
      type: 'string',
      short: 'n',
      value: 'NAME',
      help: 'where the account is and the role holds (default: that of the kubeconfig)',
    },
    'all-namespaces': { type: 'boolean', short: 'A', help: 'the role holds everywhere' },
    for: { type: 'string', value: 'TIME', help: `how long the token holds: 30m, 12h, 90d (default ${String(HOURS)}h)` },
    out: { type: 'string', value: 'FILE', help: 'the kubeconfig to write (default ./NAME.kubeconfig); it holds the token' },
    kubeconfig: { type: 'string', value: 'FILE', help: "the admin's (default: <data-dir>/kubeconfig, else $KUBECONFIG)" },
  },
  async run(invocation) {
    const { args, flags, io, clock } = invocation;
    expectArgs(args, { least: 1, most: 1, what: '`hivelet user NAME --role ROLE`' });
    const wish = wishIn(invocation);
    const admin = kubeconfigFile(invocation);
    if (admin === undefined) throw new HiveletError('CONFIG_INVALID', 'there is no kubeconfig: name that of an admin with --kubeconfig');
    const access = readKubeconfig(admin);
    const client = new KubeClient({ access, clock });
    try {
      const { token, ends } = await makeUser(client, { ...wish, namespace: flags.text('namespace') ?? access.namespace });
      writeKubeconfig(wish.out, { server: access.server, ca: access.ca ?? '', token, user: wish.name });
      io.out(`${wish.out} is the kubeconfig of ${wish.name}: role ${wish.role}, until ${ends}`);
      return 0;
    } finally {
      client.close();
    }
  },
};

interface Wish {
  name: string;
  role: string;
  everywhere: boolean;
  seconds: number;
  out: string;
}

/** Throws USAGE. */
function wishIn({ args: [name = ''], flags }: Invocation): Wish {
  const role = flags.text('role');
  if (role === undefined) throw new HiveletError('USAGE', 'name what the user may do with --role: view, edit, admin, device-operator');
  const everywhere = flags.has('all-namespaces');
  const text = flags.text('for') ?? `${String(HOURS)}h`;
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (amount === undefined) throw new HiveletError('USAGE', `--for ${text}: write a time such as 30m, 12h or 90d`);
  const seconds = Number(amount) * (UNIT_SECONDS.get(unit) ?? 0);
  return { name, role, everywhere, seconds, out: path.resolve(flags.text('out') ?? `${name}.kubeconfig`) };
}

async function makeUser(client: KubeClient, wish: Wish & { namespace: string }): Promise<{ token: string; ends: string }> {
  const { name, namespace, role, everywhere, seconds } = wish;
  await client.get(clusterRoles, { name: role });
  await createIfMissing(client, accounts, { metadata: { name, namespace } });
  await createIfMissing(client, everywhere ? clusterRoleBindings : roleBindings, {
    metadata: everywhere ? { name: `${namespace}:${name}:${role}` } : { name: `${name}:${role}`, namespace },
    roleRef: { apiGroup: RBAC.group, kind: 'ClusterRole', name: role },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  });
  const requests = { ...accounts, plural: `serviceaccounts/${name}/token`, kind: 'TokenRequest' };
  const spec = { expirationSeconds: seconds };
  const made = await client.create(requests, { apiVersion: 'authentication.k8s.io/v1', metadata: { namespace }, spec });
  return tokenIn(made);
}

async function createIfMissing(client: KubeClient, type: ResourceType, object: KubeObjectInput): Promise<void> {
  try {
    await client.create(type, object);
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists')) throw error;
  }
}

function tokenIn({ status }: KubeObject): { token: string; ends: string } {
  const { token = '', expirationTimestamp = '' } = status as { token?: string; expirationTimestamp?: string };
  return { token, ends: expirationTimestamp };
}
