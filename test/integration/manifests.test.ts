/** The manifests of conf/kubernetes: what kubectl makes of them, that an API takes them, and that they agree with what cloudcore does. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '#beehive/config-file.ts';
import { readDefinitions } from '#device-models/definitions.ts';
import { cloudSchema } from '#cloud/config.ts';
import type { KubeObject } from '#cloud/store/kube-api.ts';
import { namespaces } from '#cloud/store/kube-api.ts';
import { writeKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { ADMIN_TOKEN, startApiServer } from '../support/api-server.ts';
import { createKubectl } from '../support/kubectl.ts';
import { needing } from '../support/peers.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const folder = path.join(root, 'conf/kubernetes');
const crds = path.join(folder, 'crds.yaml');
const kubectlTest = needing(test, 'kubectl');

type Fields = Record<string, unknown>;

async function rendered(): Promise<KubeObject[]> {
  const text = await createKubectl('/dev/null').run('kustomize', folder);
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

/** The value at a path of names and indexes. */
function at(object: unknown, ...names: (string | number)[]): unknown {
  return names.reduce<unknown>((value, name) => (value as Fields | undefined)?.[name], object);
}

function find(objects: readonly KubeObject[], kind: string, name: string): KubeObject {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

test('the definitions are those of `hivelet crds` (UPDATE=1 writes them)', () => {
  const remark = '# Generated from device-models/crds; UPDATE=1 node --import tsx test/integration/manifests.test.ts writes it anew.\n';
  const wanted = `${remark}${readDefinitions(path.join(root, 'device-models/crds'))
    .map(({ yaml }) => yaml.trimEnd())
    .join('\n---\n')}\n`;
  if (process.env['UPDATE'] === '1') writeFileSync(crds, wanted);
  assert.ok(readFileSync(crds, 'utf8') === wanted, 'conf/kubernetes/crds.yaml is outdated: run this test with UPDATE=1');
});

test('the settings load, and name the webhook as the Service does', () => {
  const config = loadConfig(cloudSchema, { file: path.join(folder, 'cloudcore.yaml'), sets: [] });
  assert.equal([...config.warnings], []);
  assert.equal([config.get('modules.apiServer.enable'), config.get('modules.admission.service')], [false, 'kubeedge/cloudcore-webhook']);
});

kubectlTest('kustomize renders two confined replicas that share one authority and keep nothing', async () => {
  const objects = await rendered();
  const deployment = find(objects, 'Deployment', 'cloudcore');
  const pod = at(deployment, 'spec', 'template', 'spec');
  assert.is(at(deployment, 'spec', 'replicas'), 2);
  assert.is(at(pod, 'securityContext', 'runAsNonRoot'), true);
  const containers = [...(at(pod, 'initContainers') as Fields[]), ...(at(pod, 'containers') as Fields[])];
  assert.is(containers.length, 2);
  for (const container of containers) {
    assert.is(container['image'], 'registry.example.com/hivelet-cloudcore:0.1.0');
    assert.equal(container['securityContext'], {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    assert.ok(at(container, 'resources', 'requests', 'memory') && at(container, 'resources', 'limits', 'memory'));
  }
  const volumes = at(pod, 'volumes') as { name: string; configMap?: { name: string }; secret?: Fields; emptyDir?: Fields }[];
  const config = objects.find(({ kind }) => kind === 'ConfigMap');
  assert.is(volumes.find(({ name }) => name === 'config')?.configMap?.name, config?.metadata.name, 'the name with the hash');
  assert.is(volumes.find(({ name }) => name === 'pki')?.secret?.['secretName'], 'hivelet-pki');
  assert.ok(volumes.find(({ name }) => name === 'state')?.emptyDir);
});

kubectlTest('ports, selectors and names of the objects fit each other', async () => {
  const objects = await rendered();
  const template = at(find(objects, 'Deployment', 'cloudcore'), 'spec', 'template');
  const labels = at(template, 'metadata', 'labels');
  const ports = (at(template, 'spec', 'containers', 0, 'ports') as { name: string; containerPort: number }[]).map(({ name }) => name);
  const settings = loadConfig(cloudSchema, { file: path.join(folder, 'cloudcore.yaml'), sets: [] });
  const containerPort = (name: string): unknown =>
    (at(template, 'spec', 'containers', 0, 'ports') as Fields[]).find((port) => port['name'] === name)?.['containerPort'];
  assert.equal(
    [containerPort('hub'), containerPort('https'), containerPort('webhook')],
    [settings.get('modules.cloudHub.websocket.port'), settings.get('modules.cloudHub.https.port'), settings.get('modules.admission.port')],
  );
  for (const name of ['cloudcore', 'cloudcore-webhook']) {
    const service = find(objects, 'Service', name);
    assert.equal(at(service, 'spec', 'selector'), labels);
    for (const { targetPort } of at(service, 'spec', 'ports') as { targetPort: string }[])
      assert.ok(ports.includes(targetPort), targetPort);
  }
  assert.equal(at(find(objects, 'PodDisruptionBudget', 'cloudcore'), 'spec', 'selector', 'matchLabels'), labels);
  const policy = find(objects, 'NetworkPolicy', 'cloudcore');
  assert.equal(at(policy, 'spec', 'podSelector', 'matchLabels'), labels);
  assert.equal(
    (at(policy, 'spec', 'ingress', 0, 'ports') as { port: string }[]).map(({ port }) => port),
    ports,
  );
  const rules = at(find(objects, 'ClusterRole', 'hivelet-cloudcore'), 'rules') as { resources: string[]; resourceNames?: string[] }[];
  const named = rules.find(({ resources }) => resources.includes('customresourcedefinitions'))?.resourceNames;
  assert.equal(
    named,
    objects
      .filter(({ kind }) => kind === 'CustomResourceDefinition')
      .map(({ metadata }) => metadata.name)
      .sort(),
  );
});

kubectlTest('an API takes them: in a server-side dry run, for good, and a second time without a change', async () => {
  const { url, ca, client, close } = await startApiServer();
  const kubeconfig = path.join(tempDir(), 'kubeconfig');
  writeKubeconfig(kubeconfig, { server: url, ca, token: ADMIN_TOKEN });
  const kubectl = createKubectl(kubeconfig);
  // A dry run stores no namespace for the others to be in, here as on any cluster.
  await client.create(namespaces, { metadata: { name: 'kubeedge' } });
  const dry = await kubectl.run('apply', '-k', folder, '--dry-run=server');
  assert.equal(
    dry.split('\n').filter((line) => line !== '' && !/(?:created|configured) \(server dry run\)$/.test(line)),
    [],
  );
  const kinds = [
    'serviceaccount',
    'clusterrole',
    'role',
    'rolebinding',
    'configmap',
    'service',
    'deployment',
    'poddisruptionbudget',
    'networkpolicy',
  ];
  for (const kind of kinds) assert.match(dry, new RegExp(`^${kind}[./]`, 'm'));
  await kubectl.run('apply', '-k', folder);
  const again = (await kubectl.run('apply', '-k', folder)).split('\n').filter((line) => /created|configured/.test(line));
  // kubectl sends the selector of a budget each time: that field is replaced, never merged.
  assert.equal(again, ['poddisruptionbudget.policy/cloudcore configured']);
  assert.match(await kubectl.run('get', 'deployment,service,poddisruptionbudget,networkpolicy', '-n', 'kubeedge'), 'cloudcore-webhook');
  await close();
});

test.run();
