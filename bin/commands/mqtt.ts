/** Owns `hivelet mqtt`: who may come to the broker of a board, and what they may do there. */
import { HiveletError } from '#beehive/errors.ts';
import { accountFile, editAccounts, readAccounts } from '../../edge/broker/account-file.ts';
import { MAX_ACCOUNTS, nameFault, patternFault, type Account } from '../../edge/broker/accounts.ts';
import { generatePassword, hashPassword } from '../../edge/broker/password.ts';
import { expectArgs, type Command, type Flags, type Invocation, type Io } from './command.ts';
import { makeCertificate } from './mqtt/certificate.ts';
import { readPassword } from './password-input.ts';

export const command: Command = {
  usage: [
    'mqtt account list',
    'mqtt account add DEVICE [--certificate] [--password-file FILE]',
    'mqtt account add NAME --app [--publish PATTERN]... [--subscribe PATTERN]... [--mapper-of DEVICE]...',
    'mqtt account passwd NAME [--password-file FILE]',
    'mqtt account remove NAME',
    'mqtt certificate [ADDRESS...] [--renew]',
  ],
  about: [
    'Accounts of the embedded MQTT broker, on the board itself. A running edgecore takes changes over within two seconds; only clients of',
    'accounts that have changed have to connect again. A password is made and printed once unless you give one. An account of a device may',
    'publish requests of the device of its name and uploads, and subscribe to what concerns that device; an app may what its patterns say,',
    'with %u for its name and %c for its client id. `hivelet mqtt certificate` makes the certificate of the TLS listeners, by an authority of this',
    'board, and adds addresses to it; `hivelet join` has made one.',
  ],
  flags: {
    app: { type: 'boolean', help: 'an app or mapper: no rights but those of its patterns' },
    publish: { type: 'string', multiple: true, value: 'PATTERN', help: 'topic filter that it may publish to' },
    subscribe: {
      type: 'string',
      multiple: true,
      value: 'PATTERN',
      help: 'topic filter that it may subscribe to, with all that is below it',
    },
    'mapper-of': { type: 'string', multiple: true, value: 'DEVICE', help: 'the rights of a mapper of this device ("+": of every device)' },
    certificate: { type: 'boolean', help: 'a client certificate whose common name is NAME opens it, and no password unless one is given' },
    renew: { type: 'boolean', help: 'another key, authority and certificate: devices need the new authority' },
    'password-file': {
      type: 'string',
      value: 'FILE',
      help: 'first line of FILE is the password ("-": standard input; a terminal is asked)',
    },
  },
  async run(invocation) {
    if (invocation.args[0] === 'certificate') {
      await makeCertificate(invocation, invocation.args.slice(1));
      return 0;
    }
    const [noun, verb = 'list', ...names] = invocation.args;
    if (noun !== 'account') throw new HiveletError('USAGE', 'write `hivelet mqtt account …` or `hivelet mqtt certificate`');
    const act = verbs.get(verb);
    if (act === undefined) throw new HiveletError('USAGE', `there is no \`hivelet mqtt account ${verb}\`: add, list, passwd or remove`);
    if (verb === 'list') expectArgs(names, { least: 0, most: 0, what: '`hivelet mqtt account list` takes no name' });
    else expectArgs(names, { least: 1, most: 1, what: `\`hivelet mqtt account ${verb}\` takes one name` });
    await act(invocation, names[0] ?? '');
    return 0;
  },
};

type Act = (invocation: Invocation, name: string) => Promise<void>;

const verbs: ReadonlyMap<string, Act> = new Map<string, Act>([
  ['add', add],
  ['list', list],
  ['passwd', passwd],
  ['remove', remove],
]);

async function add({ flags, io, clock, dataDir }: Invocation, name: string): Promise<void> {
  const account = wanted(name, flags);
  const given = await readPassword(flags.text('password-file'));
  const made = given === undefined && !account.certificate ? generatePassword() : undefined;
  const password = given ?? made;
  const hash = password === undefined ? {} : { password: await hashPassword(Buffer.from(password)) };
  await editAccounts(accountFile(dataDir), clock, (accounts) => {
    if (accounts.has(name)) {
      throw new HiveletError('USAGE', `there is an account ${name} already: remove it first, or \`hivelet mqtt account passwd ${name}\``);
    }
    if (accounts.size >= MAX_ACCOUNTS) throw new HiveletError('USAGE', `there are ${String(MAX_ACCOUNTS)} accounts, which is the most`);
    accounts.set(name, { ...account, ...hash });
  });
  told(io, `account ${name} added`, made);
}

async function list({ io, dataDir }: Invocation): Promise<void> {
  const accounts = [...readAccounts(accountFile(dataDir)).values()];
  if (accounts.length === 0) return Promise.resolve(io.out('no accounts; `hivelet mqtt account add NAME` makes one'));
  const rows = accounts.map(({ name, kind, password, certificate, publish, subscribe }) => [
    name,
    kind,
    [...(password === undefined ? [] : ['password']), ...(certificate ? ['certificate'] : [])].join(','),
    publish.join(' ') || '-',
    subscribe.join(' ') || '-',
  ]);
  const table = [['NAME', 'KIND', 'LOGIN', 'PUBLISH', 'SUBSCRIBE'], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table)
    io.out(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

async function passwd({ flags, io, clock, dataDir }: Invocation, name: string): Promise<void> {
  const given = await readPassword(flags.text('password-file'));
  const made = given === undefined ? generatePassword() : undefined;
  const password = await hashPassword(Buffer.from(given ?? made ?? ''));
  await editAccounts(accountFile(dataDir), clock, (accounts) => {
    accounts.set(name, { ...known(accounts, name), password });
  });
  told(io, `password of ${name} changed`, made);
}

async function remove({ io, clock, dataDir }: Invocation, name: string): Promise<void> {
  await editAccounts(accountFile(dataDir), clock, (accounts) => {
    accounts.delete(known(accounts, name).name);
  });
  io.out(`account ${name} removed`);
}

function known(accounts: ReadonlyMap<string, Account>, name: string): Account {
  const account = accounts.get(name);
  if (account === undefined) throw new HiveletError('NOT_FOUND', `there is no account ${name}; \`hivelet mqtt account list\` shows all`);
  return account;
}

function wanted(name: string, flags: Flags): Account {
  const app = flags.has('app');
  const devices = flags.texts('mapper-of');
  const patterns = [...flags.texts('publish'), ...flags.texts('subscribe')];
  const fault = nameFault(name, app ? 'app' : 'device') ?? patterns.map(patternFault).find((each) => each !== undefined);
  if (fault !== undefined) throw new HiveletError('USAGE', `${fault}${app ? '' : ' (--app makes the account of an app)'}`);
  const bad = devices.find((device) => device !== '+' && nameFault(device, 'device') !== undefined);
  if (bad !== undefined) throw new HiveletError('USAGE', `--mapper-of ${bad}: not the name of a device`);
  if (!app && devices.length > 0) throw new HiveletError('USAGE', '--mapper-of is for mappers: add --app');
  return {
    name,
    kind: app ? 'app' : 'device',
    certificate: flags.has('certificate'),
    publish: [...flags.texts('publish'), ...devices.flatMap(mapperPublishes)],
    subscribe: [...flags.texts('subscribe'), ...devices.map((device) => `$hw/events/device/${device}/#`)],
  };
}

/** What a mapper reports and asks; `$ke` carries the series for other programs. */
function mapperPublishes(device: string): string[] {
  const requests = ['state/update', 'state/get', 'twin/update', 'twin/get', 'twin/cloud_updated'];
  return [...requests.map((request) => `$hw/events/device/${device}/${request}`), `$ke/events/device/${device}/#`];
}

function told(io: Io, line: string, made: string | undefined): void {
  io.out(line);
  if (made !== undefined) io.out(`password (shown this once): ${made}`);
}
