/** `hivelet crds`: what it prints, that an API takes it, and that cloudcore then finds everything in place. */
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '#beehive/clock.ts';
import { createLogger } from '#beehive/log.ts';
import { installDefinitions as installOurs } from '#cloud/devicecontroller/crds.ts';
import {
  customResourceDefinitions,
  isKubeError,
  KubeError,
  type KubeApi,
  type KubeObject,
  type ResourceType,
} from '#cloud/store/kube-api.ts';
import { writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { command } from '../../bin/commands/crds.ts';
import { Flags } from '../../bin/commands/command.ts';
import { ADMIN_TOKEN, installDefinitions, startApiServer } from '../support/api-server.ts';
import { createKubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import { tempDir } from '../support/temp-dir.ts';

const NAMES = [
  'clusterobjectsyncs.reliablesyncs.kubeedge.io',
  'devicemodels.devices.kubeedge.io',
  'devices.devices.kubeedge.io',
  'objectsyncs.reliablesyncs.kubeedge.io',
  'ruleendpoints.rules.kubeedge.io',
  'rules.rules.kubeedge.io',
];
const FOLDER = path.join(import.meta.dirname, '../../device-models/crds');
const rules: ResourceType = { group: 'rules.kubeedge.io', version: 'v1', plural: 'rules', kind: 'Rule', namespaced: true };
const endpoints: ResourceType = { ...rules, plural: 'ruleendpoints', kind: 'RuleEndpoint' };

async function printed(output?: string): Promise<string> {
  const lines: string[] = [];
  const io = { out: (line: string) => void lines.push(line), error: () => undefined, terminal: false };
  const flags = new Flags(new Map(output === undefined ? [] : [['output', output]]));
  const signal = new AbortController().signal;
  assert.is(await command.run({ args: [], flags, io, env: {}, clock: systemClock, signal, dataDir: '' }), 0);
  return lines.join('\n');
}

async function definitions(): Promise<KubeObject[]> {
  return parseAllDocuments(await printed()).map((document) => document.toJS() as KubeObject);
}

/** What cloudcore logs while it looks after its definitions. */
async function installed(api: KubeApi): Promise<string[]> {
  const events: string[] = [];
  const log = createLogger({ clock: systemClock, write: ({ event, fields }) => void events.push(`${event} ${String(fields['name'])}`) });
  await installOurs(api, FOLDER, { clock: systemClock, log, signal: new AbortController().signal });
  return events;
}

test('both forms hold the same six definitions', async () => {
  const list = JSON.parse(await printed('json')) as { kind: string; items: KubeObject[] };
  const documents = await definitions();
  assert.is(list.kind, 'List');
  assert.equal(list.items, documents);
  assert.equal(documents.map(({ metadata }) => metadata.name).sort(), NAMES);
  try {
    await printed('xml');
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /-o xml: use yaml or json/);
  }
});

test('an API takes them, and cloudcore then has nothing to install', async () => {
  const { client, close } = await startApiServer();
  await installDefinitions(client, await definitions());
  assert.equal(await installed(client), []);
  const endpoint = { metadata: { name: 'bus', namespace: 'default' }, spec: { ruleEndpointType: 'eventbus', properties: {} } };
  await client.create(endpoints, endpoint);
  const rule = {
    metadata: { name: 'alarms', namespace: 'default' },
    spec: {
      source: 'bus',
      sourceResource: { topic: 'alarm', node_name: 'edge-17' },
      target: 'rest-out',
      targetResource: { resource: 'http://collector.example/alarms' },
    },
  };
  await client.create(rules, rule);
  const empty = await client.patch(rules, { namespace: 'default', name: 'alarms' }, { type: 'merge', body: { status: {} } });
  assert.equal(empty['status'], {}, "as KubeEdge's router writes it");
  const wrong = { metadata: { name: 'fax', namespace: 'default' }, spec: { ruleEndpointType: 'fax' } };
  try {
    await client.create(endpoints, wrong);
    assert.unreachable();
  } catch (error) {
    assert.ok(isKubeError(error, 'Invalid'));
    assert.match(error.message, /spec\.ruleEndpointType: Unsupported value: "fax": supported values: "rest", "eventbus", "servicebus"/);
  }
  await close();
});

test('who may not install definitions works with what is there, and says what an administrator has to do', async () => {
  const { client, close } = await startApiServer();
  const forbidden = (): never => {
    throw new KubeError({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Forbidden', code: 403 });
  };
  try {
    await installed({ ...bound(client), create: forbidden, update: forbidden });
    assert.unreachable();
  } catch (error) {
    assert.match(
      String(error),
      /clusterobjectsyncs\.reliablesyncs\.kubeedge\.io is missing, and may not be created from here: run `hivelet crds \| kubectl apply -f -`/,
    );
  }
  await installDefinitions(client, await definitions());
  const name = { name: 'rules.rules.kubeedge.io' };
  await client.patch(customResourceDefinitions, name, {
    type: 'merge',
    body: { metadata: { annotations: { 'hivelet.dev/content': 'old' } } },
  });
  assert.equal(await installed({ ...bound(client), create: forbidden, update: forbidden }), ['crd.outdated rules.rules.kubeedge.io']);
  assert.equal(await installed(client), ['crd.updated rules.rules.kubeedge.io']);
  await close();
});

function bound(api: KubeApi): KubeApi {
  return {
    get: (...all) => api.get(...all),
    list: (...all) => api.list(...all),
    watch: (...all) => api.watch(...all),
    create: (...all) => api.create(...all),
    update: (...all) => api.update(...all),
    patch: (...all) => api.patch(...all),
    delete: (...all) => api.delete(...all),
  };
}

needing(test, 'kubectl')('kubectl applies them, twice', async () => {
  const { url, ca, close } = await startApiServer();
  const kubeconfig = path.join(tempDir(), 'kubeconfig');
  writeKubeconfig(kubeconfig, { server: url, ca, token: ADMIN_TOKEN });
  const kubectl = createKubectl(kubeconfig);
  const text = await printed();
  const applied = await kubectl.pipe(text, 'apply', '-f', '-');
  for (const name of NAMES) assert.match(applied, `customresourcedefinition.apiextensions.k8s.io/${name} created`);
  assert.not.match(await kubectl.pipe(text, 'apply', '-f', '-'), /created|configured/);
  assert.not.match(await kubectl.pipe(await printed('json'), 'apply', '-f', '-'), /created|configured/);
  await close();
});

test.run();
