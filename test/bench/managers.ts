/** What managedFields cost: status writes of 30 devices of 10 twins with them and without, in CPU time, bytes in memory and bytes on disk. */
import { statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { devices } from '#cloud/store/kube-api.ts';
import { installDefinitions, startApiServer, type TestApiServer } from '../support/api-server.ts';

const DEVICES = 30;
const TWINS = 10;
const WRITES = 1500;
const ROUNDS = 7;
type Form = 'without' | 'with';

function device(name: string): Parameters<TestApiServer['client']['create']>[1] {
  const properties = Array.from({ length: TWINS }, (_, index) => `property-${index}`);
  return {
    metadata: { name, namespace: 'default' },
    spec: {
      deviceModelRef: { name: 'model' },
      nodeName: 'edge',
      protocol: { modbus: { slaveID: 3 }, common: { tcp: { ip: '192.0.2.1', port: 502 } } },
      propertyVisitors: properties.map((propertyName, offset) => ({
        propertyName,
        modbus: { register: 'HoldingRegister', offset, limit: 1 },
      })),
    },
    status: { twins: properties.map((propertyName) => ({ propertyName, desired: { metadata: { type: 'int' }, value: '1' } })) },
  };
}

let written = 0;

/** As cloudcore writes what a device reports. */
async function report({ client }: TestApiServer, name: string): Promise<void> {
  const twin = written % TWINS;
  const text = String((written += 1));
  await client.patch(
    devices,
    { namespace: 'default', name },
    {
      type: 'json',
      persist: 'later',
      operations: [
        { op: 'test', path: `/status/twins/${twin}/propertyName`, value: `property-${twin}` },
        { op: 'add', path: `/status/twins/${twin}/reported`, value: { metadata: { type: 'int', timestamp: text }, value: text } },
        { op: 'add', path: '/status/lastOnlineTime', value: new Date(1.8e12 + written * 1000).toISOString() },
      ],
    },
  );
}

/** Microseconds of CPU per write, of server and client together. */
async function round(api: TestApiServer, form: Form): Promise<number> {
  const begin = process.cpuUsage();
  for (let count = 0; count < WRITES; count += DEVICES) {
    await Promise.all(Array.from({ length: DEVICES }, (_, index) => report(api, `${form}-${index}`)));
  }
  const { user, system } = process.cpuUsage(begin);
  return (user + system) / WRITES;
}

const api = await startApiServer();
await installDefinitions(api.client);
const forms: readonly Form[] = ['without', 'with'];
for (const form of forms) {
  for (let index = 0; index < DEVICES; index += 1) {
    const name = `${form}-${index}`;
    await api.client.create(devices, device(name), { fieldManager: 'kubectl' });
    const body = { metadata: { managedFields: [{}] } };
    if (form === 'without') await api.client.patch(devices, { namespace: 'default', name }, { type: 'merge', body });
  }
  await round(api, form);
}
const times = new Map<Form, number[]>(forms.map((form) => [form, []]));
for (let count = 0; count < ROUNDS; count += 1) for (const form of forms) times.get(form)?.push(await round(api, form));
const sent = new Map<Form, number>();
for (const form of forms) {
  sent.set(form, (await api.raw({ path: `/apis/devices.kubeedge.io/v1alpha2/namespaces/default/devices/${form}-0` })).text.length);
}
await api.close();

const file = path.join(api.dataDir, 'kubernetes.db');
const db = new Database(file, { readonly: true });
const row = db.prepare<[string], { bytes: number }>(
  'SELECT length(body) + ifnull(length(managers), 0) AS bytes FROM objects WHERE name = ?',
);
for (const form of forms) {
  const median = times.get(form)?.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  process.stdout.write(
    `${form} managers: ${Math.round(median)} us of CPU per status write, ${sent.get(form) ?? 0} bytes sent, ${row.get(`${form}-0`)?.bytes ?? 0} bytes on disk\n`,
  );
}
const sets = db.prepare<[], { sets: number; bytes: number }>('SELECT count(*) AS sets, sum(length(fields)) AS bytes FROM field_sets').get();
process.stdout.write(`sets of fields on disk: ${sets?.sets ?? 0}, ${sets?.bytes ?? 0} bytes; the file ${statSync(file).size} bytes\n`);
db.close();
