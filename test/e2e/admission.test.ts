/** Owns the proof of admission as a user of kubectl sees it: in one process, over HTTPS from `hivelet api` alone, and with cloudcore gone. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createKubectl, type Kubectl } from '#test/support/kubectl.ts';
import { needing } from '#test/support/peers.ts';
import type { TestProcess } from '#test/support/processes.ts';
import { createSite, type Site } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const corpus = path.join(root, 'test/fixtures/admission');
const WEBHOOK = 'admission webhook "devices.hivelet.dev" denied the request: ';
/** What a schema says before admission is asked, or what no API server would ever see. */
const BEFORE = new Set([
  'refused-api-version',
  'refused-name',
  'refused-register',
  'refused-baud-rate',
  'refused-parity',
  'refused-collect-type',
  'refused-access-mode',
  'condition-scale',
]);

/** With a cluster for the files: there is no other file where a model may be, and of two devices of one second the uid decides which one is older. */
const SAID_OTHERWISE = new Map([
  ['condition-model-missing', 'spec.deviceModelRef.name: there is no DeviceModel press-model in namespace default: create it'],
  ['condition-name-conflict', 'metadata.name: default/press-07 is '],
]);

interface World {
  site: Site;
  kubectl: Kubectl;
  processes: TestProcess[];
}

function worlds(name: string, start: (site: Site) => Promise<TestProcess[]>) {
  const tests = suite<World>(name);
  tests.before(async (world) => {
    world.site = await createSite(tempDir());
    world.processes = await start(world.site);
    world.kubectl = createKubectl(path.join(world.site.dataDir, 'kubeconfig'));
    await until(async () => (await world.kubectl.attempt(['get', 'validatingwebhookconfiguration', 'hivelet-devices'])).code === 0, {
      what: 'the configuration of admission',
    });
    await world.kubectl.pipe('{"apiVersion":"v1","kind":"Node","metadata":{"name":"edge-17"}}', 'create', '-f', '-');
  });
  tests.after(async ({ processes }) => {
    for (const process of processes) await process.stop();
  });
  return tests;
}

const text = (name: string): string => readFileSync(path.join(corpus, `${name}.yaml`), 'utf8');
/** What the first line of a file of the corpus says is wrong with it. */
const sentenceIn = (name: string): string => (/^# [a-z]+: (.*)$/m.exec(text(name))?.[1] ?? '').replaceAll('\\', '');

function checks(tests: ReturnType<typeof worlds>): void {
  const kubectlTest = needing(tests, 'kubectl');

  kubectlTest('a device that can never work is refused with one sentence and the field', async ({ kubectl }) => {
    const file = kubectl.file('bad.yaml', text('refused-limit-0'));
    for (const args of [
      ['apply', '-f', file],
      ['create', '--save-config', '-f', file],
      ['apply', '--dry-run=server', '-f', file],
      ['apply', '--server-side', '-f', file],
    ]) {
      const { code, stderr } = await kubectl.attempt(args);
      assert.is(code, 1, args.join(' '));
      assert.match(stderr, `${WEBHOOK}${sentenceIn('refused-limit-0')}`);
    }
    assert.match((await kubectl.attempt(['get', 'device', 'press-07'])).stderr, 'NotFound');
  });

  kubectlTest('what may stay idle is taken with a warning, also in a dry run, and without one when it is fine', async ({ kubectl }) => {
    const bad = kubectl.file('warned.yaml', text('condition-desired-outside-the-range').replaceAll('press-07', 'press-08'));
    for (const args of [
      ['apply', '--dry-run=server', '-f', bad],
      ['apply', '-f', bad],
    ]) {
      const { code, stderr } = await kubectl.attempt(args);
      assert.equal([code, stderr], [0, `Warning: ${sentenceIn('condition-desired-outside-the-range')}\n`]);
    }
    const good = kubectl.file(
      'good.yaml',
      text('condition-desired-outside-the-range').replaceAll('press-07', 'press-09').replace("'300'", "'30'"),
    );
    const { code, stderr } = await kubectl.attempt(['apply', '-f', good]);
    assert.equal([code, stderr], [0, '']);
  });

  kubectlTest('the condition of the device says the same sentence as the warning', async ({ kubectl }) => {
    const path = '-o=jsonpath={.status.conditions[?(@.type=="ProfileInvalid")].message}';
    const shown = await until(() => kubectl.run('get', 'device', 'press-08', path), { what: 'the condition' });
    assert.is(shown, sentenceIn('condition-desired-outside-the-range'));
  });

  kubectlTest('only what a change brings is refused, and nothing keeps a device from being deleted', async ({ kubectl }) => {
    const patch = (body: object): string[] => ['patch', 'device', 'press-09', '--type=merge', '-p', JSON.stringify(body)];
    const visitor = { propertyName: 'pressure', modbus: { register: 'HoldingRegister', offset: 10, limit: 0 } };
    assert.match(
      await kubectl.refused(patch({ spec: { propertyVisitors: [visitor] } })),
      'spec.propertyVisitors[0].modbus.limit: 0 reads nothing',
    );
    await kubectl.run('label', 'device', 'press-09', 'hall=north');
    const gone = await kubectl.attempt(['delete', 'devicemodel', 'press-model']);
    assert.equal(
      [gone.code, gone.stderr],
      [0, 'Warning: the DeviceModel is still used by "default/press-08", "default/press-09": remove them too, or create it again\n'],
    );
    await kubectl.run('delete', 'device', 'press-09', 'press-08');
  });
}

const one = worlds('cloudcore with the API in it', async (site) => [await site.cloud()]);
checks(one);
needing(one, 'kubectl')('each file of the corpus is refused, or taken with its warning', async ({ kubectl }) => {
  const names = readdirSync(corpus)
    .map((file) => file.replace('.yaml', ''))
    .filter((name) => !BEFORE.has(name));
  for (const name of names) {
    // Without the model that another file left.
    await kubectl.run('delete', 'devices,devicemodels', '--all', '--wait=false');
    const namespaced = text(name).includes('namespace: hall');
    if (namespaced) await kubectl.run('create', 'namespace', 'hall');
    const { code, stderr } = await kubectl.attempt(['apply', '-f', path.join(corpus, `${name}.yaml`)]);
    const expected = SAID_OTHERWISE.get(name) ?? sentenceIn(name);
    assert.is(code, name.startsWith('refused') ? 1 : 0, `${name}: ${stderr}`);
    assert.ok(
      stderr.replaceAll('\\', '').includes(name.startsWith('refused') ? WEBHOOK + expected : `Warning: ${expected}`),
      `${name}: ${stderr}`,
    );
  }
});
one.run();

const two = worlds('an API of its own with cloudcore as its client', async (site) => {
  const api = await site.api();
  return [api, await site.cloud()];
});
checks(two);
needing(two, 'kubectl')(
  'a device can be changed while cloudcore is gone, and is checked again when it is back',
  async ({ kubectl, site, processes }) => {
    const file = path.join(corpus, 'refused-limit-0.yaml');
    processes[1]?.kill();
    await processes[1]?.exited;
    await kubectl.run('delete', 'devices,devicemodels', '--all', '--wait=false');
    const { code, stderr } = await kubectl.attempt(['apply', '-f', file]);
    assert.equal([code, stderr], [0, '']);
    await kubectl.run('delete', '-f', file);
    processes[1] = await site.cloud();
    await until(async () => (await kubectl.attempt(['apply', '--dry-run=server', '-f', file])).code === 1, {
      what: 'admission',
      deadlineMs: 40_000,
    });
  },
);
two.run();
