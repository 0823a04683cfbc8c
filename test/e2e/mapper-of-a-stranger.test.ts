// timeout: 300s
/**
 * Proves that docs/write-a-mapper.md and the package are enough for a mapper: its files are typed off the page into an empty folder, checked,
 * tested and bundled by the commands of the page against the packed package, and serve a device under the shipped programs and kubectl.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startThermometer } from '#mappers/contract-test/example/device.ts';
import { createKubectl } from '#test/support/kubectl.ts';
import { needing } from '#test/support/peers.ts';
import { runProcess } from '#test/support/processes.ts';
import { createSite } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/write-a-mapper.md'), 'utf8');
const folder = tempDir();
const tool = (name: string): string => path.join(root, 'node_modules/.bin', name);

/** Fails with what it printed. */
async function run(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProcess({ command, args, cwd: folder, deadlineMs: 120_000 });
  assert.is(code, 0, `${path.basename(command)} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

/** The blocks of one file, in the order of the page. */
function quoted(file: string): string {
  const blocks = [...page.matchAll(/^```(\S*) ?(\S*)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, language, name, text = '']) => (name === file || language === file ? [text] : [])).join('\n');
}

/** `npx esbuild ...` of the page. */
function commandOf(name: string): string[] {
  const line = page.split('\n').find((each) => each.startsWith(`npx ${name} `)) ?? assert.unreachable(`no ${name} on the page`);
  return String(line).split(' ').slice(2);
}

test.before(async () => {
  const modules = path.join(folder, 'node_modules');
  mkdirSync(path.join(modules, 'hivelet'), { recursive: true });
  await run('npm', 'pack', root, '--ignore-scripts', '--silent');
  await run('sh', '-c', 'tar -xzf hivelet-*.tgz -C node_modules/hivelet --strip-components 1');
  for (const name of ['uvu', '@types']) symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name));
  writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
  for (const file of ['thermometer.ts', 'device.ts', 'harness.ts', 'thermometer.test.ts'])
    writeFileSync(path.join(folder, file), quoted(file));
});

test('its files fit the types of the package', async () => {
  const options = '--strict --noEmit --target ES2023 --module NodeNext --types node --allowImportingTsExtensions --verbatimModuleSyntax';
  await run(tool('tsc'), ...options.split(' '), 'thermometer.ts', 'device.ts', 'harness.ts', 'thermometer.test.ts');
});

test('it passes the contract test of the package', async () => {
  const [passed, total] = /\((\d+) \/ (\d+)\)/.exec(await run(tool('tsx'), ...commandOf('tsx')))?.slice(1) ?? [];
  assert.ok(passed === total && Number(total) > 20, `${String(passed)} of ${String(total)}`);
});

needing(test, 'kubectl')('it serves its device: values come up, desired ones arrive, and a point that it lacks says why', async () => {
  await run(tool('esbuild'), ...commandOf('esbuild'));
  const site = await createSite(tempDir(), 'pi');
  const plugin = path.join(site.dataDir, 'edge/plugins/thermometer');
  await run('install', '-d', '-m', '755', path.dirname(path.dirname(plugin)), path.dirname(plugin), plugin);
  await run('install', '-m', '644', 'plugin.js', plugin);
  const thermometer = await startThermometer();
  const cloud = await site.cloud();
  const edge = await site.edge();
  const kubectl = createKubectl(path.join(site.dataDir, 'kubeconfig'));
  try {
    const humidity = {
      model: '    - name: humidity\n      type: DOUBLE\n      accessMode: ReadOnly\n',
      visitor: 'visitors: {protocolName: thermometer, configData: {value: humidity}}',
    };
    const yaml = quoted('yaml')
      .replace('port: 7000', `port: ${String(thermometer.port)}`)
      .replace('  properties:\n    - name: temperature\n      type', `  properties:\n${humidity.model}    - name: temperature\n      type`)
      .replace(
        '    - name: setpoint\n      collectCycle',
        `    - name: humidity\n      collectCycle: 1000\n      ${humidity.visitor}\n    - name: setpoint\n      collectCycle`,
      );
    writeFileSync(path.join(folder, 'cellar.yaml'), yaml);
    await kubectl.run('apply', '-f', path.join(folder, 'cellar.yaml'));
    const twins = (): Promise<string> =>
      kubectl.run(
        'get',
        'device',
        'cellar',
        '-o',
        'jsonpath={range .status.twins[*]}{.propertyName}={.reported.value} {.write.result} {.reported.metadata.quality} {.reported.metadata.reason}{"\\n"}{end}',
      );
    const shows = (text: string): Promise<string> =>
      until(async () => await twins().then((all) => (all.includes(text) ? all : undefined)), {
        what: text,
        deadlineMs: 60_000,
        everyMs: 300,
      });
    await shows('temperature=21.5  good');
    await shows('setpoint=21 reached good');
    await shows('humidity=  bad there is no humidity');
    // The state is a message of its own, and may follow the values.
    const described = async (): Promise<boolean> =>
      /Message: +.*unhealthy: humidity: there is no humidity/.test(await kubectl.run('describe', 'device', 'cellar'));
    await until(described, { what: 'the condition that says why', deadlineMs: 60_000, everyMs: 300 });
    await kubectl.run(
      'patch',
      'device',
      'cellar',
      '--type',
      'json',
      '-p',
      JSON.stringify([{ op: 'replace', path: '/spec/properties/2/desired/value', value: '30' }]),
    );
    await shows('setpoint=30 reached good');
  } finally {
    await edge.stop();
    await cloud.stop();
    await thermometer.close();
  }
});

test.run();
