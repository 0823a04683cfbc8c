/** Owns the process behind `opcua-field.ts`: told what to serve by its argument, and what to do by messages. */
import { startOpcuaServer, type ServedNode, type ServedValue } from '#mappers/opcua/server.ts';
import type { FieldCommand, FieldOptions } from './opcua-field.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as FieldOptions;
const values = new Map<string, ServedValue>();
const failing = new Map<string, string>();
const written = new Map<string, string>();

interface Kept {
  name: string;
  dataType: ServedNode['dataType'];
  value: ServedValue;
  folder?: string;
  readOnly?: boolean;
  isList?: boolean;
  range?: { low: number; high: number };
  unit?: string;
  description?: string;
}

function node({ name, dataType, value, folder, readOnly, ...rest }: Kept): ServedNode {
  values.set(name, value);
  return {
    nodeId: `ns=2;s=${name}`,
    path: [...(folder ?? 'Field').split('/').map((each) => ({ namespace: 2, name: each })), { namespace: 2, name }],
    dataType,
    ...rest,
    get: () => {
      const status = failing.get(name);
      return status === undefined ? { value: values.get(name) ?? 0 } : { status };
    },
    ...(readOnly === true
      ? {}
      : {
          set: (value: unknown) => {
            written.set(name, JSON.stringify(value instanceof Uint8Array ? [...value] : value));
            if (name === 'picky' && Number(value) > 100) return 'BadOutOfRange';
            values.set(name, value as ServedValue);
            return 'Good';
          },
        }),
  };
}

const wide: [number, number] = [0x7fff_ffff, 0xffff_ffff];

const nodes: ServedNode[] = [
  node({ name: 'Boolean', dataType: 'Boolean', value: true }),
  node({ name: 'SByte', dataType: 'SByte', value: -128 }),
  node({ name: 'Byte', dataType: 'Byte', value: 255 }),
  node({ name: 'Int16', dataType: 'Int16', value: -32_768 }),
  node({ name: 'UInt16', dataType: 'UInt16', value: 65_535 }),
  node({ name: 'Int32', dataType: 'Int32', value: -2_147_483_648 }),
  node({ name: 'UInt32', dataType: 'UInt32', value: 4_294_967_295 }),
  node({ name: 'Int64', dataType: 'Int64', value: wide }),
  node({ name: 'UInt64', dataType: 'UInt64', value: [0xffff_ffff, 0xffff_fffe] }),
  node({ name: 'Float', dataType: 'Float', value: 0.1 }),
  node({ name: 'Double', dataType: 'Double', value: 0.1 }),
  node({ name: 'String', dataType: 'String', value: 'Grüße' }),
  node({ name: 'DateTime', dataType: 'DateTime', value: new Date('2026-01-31T12:00:00.000Z') }),
  node({ name: 'Guid', dataType: 'Guid', value: '72962B91-FA75-4AE6-8D28-B404DC7DAF63' }),
  node({ name: 'ByteString', dataType: 'ByteString', value: Buffer.from([1, 2, 255]) }),
  node({ name: 'LocalizedText', dataType: 'LocalizedText', value: [] }),
  node({ name: 'list', dataType: 'Double', value: [1, 2.5, 3], isList: true, readOnly: true }),
  node({ name: 'levels', dataType: 'Int64', value: [[0, 1], wide], isList: true }),
  node({ name: 'ns=1;i=85', dataType: 'Double', value: 85 }),
  node({ name: 'fixed', dataType: 'Double', value: 7, readOnly: true }),
  node({ name: 'picky', dataType: 'Int16', value: 5 }),
  node({ name: 'twin', dataType: 'Double', value: 1, folder: 'Line/One' }),
  {
    ...node({ name: 'pressure', dataType: 'Double', value: 3.5, folder: 'Line/One', range: { low: 0, high: 16 }, unit: 'bar' }),
    description: 'oil pressure',
  },
  { ...node({ name: 'twin-2', dataType: 'Double', value: 2 }), path: ['Line', 'Two', 'twin'].map((name) => ({ namespace: 2, name })) },
  ...Array.from({ length: options.count ?? 0 }, (_, index) =>
    node({ name: `value-${index}`, dataType: 'Double', value: index, folder: 'Many', readOnly: index > 0 }),
  ),
].filter(({ nodeId }) => options.without?.some((name) => nodeId === `ns=2;s=${name}`) !== true);

values.set('LocalizedText', { text: 'warm' } as never);

try {
  const { users, certificate, count: _count, stepMs, without: _without, ...rest } = options;
  const server = await startOpcuaServer({
    ...rest,
    nodes,
    name: 'Test field',
    ...(users === undefined ? {} : { users: new Map(Object.entries(users)) }),
    ...(certificate === undefined
      ? {}
      : { certificate: { ...certificate, ...(certificate.fromMs === undefined ? {} : { from: new Date(certificate.fromMs) }) } }),
  });
  let round = 0;
  const ticking = stepMs === undefined ? undefined : setInterval(step, stepMs);
  function step(): void {
    round++;
    for (let index = 1; index < (options.count ?? 0); index++) values.set(`value-${index}`, index + round);
  }
  process.on('message', (command: FieldCommand) => process.send?.({ answer: obey(command, server.sessions()) }));
  process.once('SIGTERM', () => {
    clearInterval(ticking);
    void server.close().finally(() => process.exit(0));
  });
  process.once('disconnect', () => process.exit(0));
  process.send?.({ port: server.port });
} catch (error) {
  process.send?.({ error: String(error) }, () => process.exit(1));
}

function obey(command: FieldCommand, sessions: number): unknown {
  switch (command.do) {
    case 'set':
      values.set(command.name, command.value);
      return true;
    case 'fail':
      if (command.status === undefined) failing.delete(command.name);
      else failing.set(command.name, command.status);
      return true;
    case 'sessions':
      return sessions;
    case 'written':
      return written.get(command.name);
  }
}
