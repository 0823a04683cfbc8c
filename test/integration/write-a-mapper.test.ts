// timeout: 180s
/** Proves docs/write-a-mapper.md: it quotes the code that the tests run, and what it installs serves the device that it describes. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { validateYaml } from '#device-models/validate.ts';
import { startThermometer } from '#mappers/contract-test/example/device.ts';
import { ask, startTestEdge, watchMqtt } from '#test/support/edge.ts';
import { installThermometer } from '#test/support/external-plugin.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const page = readFileSync(path.join(root, 'docs/write-a-mapper.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\S*) ?(\S*)\n([\s\S]*?)^```$/gm)].map(([, language, file, text = '']) => ({ language, file, text }));
const yaml = blocks.find(({ language }) => language === 'yaml')?.text ?? '';

const sources: [quoted: string, file: string][] = [
  ['thermometer.ts', 'mappers/contract-test/example/thermometer.ts'],
  ['device.ts', 'mappers/contract-test/example/device.ts'],
  ['harness.ts', 'mappers/contract-test/example/harness.ts'],
  ['thermometer.test.ts', 'test/integration/contract-example.test.ts'],
];
/** Who is not in the checkout has the package instead. */
const elsewhere = (text: string): string =>
  text
    .replaceAll(`'../../kit.ts'`, `'hivelet/mapper'`)
    .replaceAll(/'(?:#mappers\/contract-test|\.\.)\/index\.ts'/g, `'hivelet/mapper-test'`)
    .replaceAll(`'#mappers/contract-test/example/`, `'./`);
const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');

for (const [quoted, file] of sources) {
  test(`the page quotes the whole of ${file}`, () => {
    const text = blocks.filter((block) => block.file === quoted).map((block) => block.text);
    assert.equal(lines(text.join('\n')), lines(elsewhere(readFileSync(path.join(root, file), 'utf8'))));
  });
}

test('its YAML is fine', () => {
  const { findings, devices, models } = validateYaml([{ file: 'page.yaml', text: yaml }]);
  assert.equal([findings, devices, models], [[], 1, 1]);
});

test('the plugin, installed as it says, serves its device in a process of its own', async () => {
  const dataDir = tempDir();
  const thermometer = await startThermometer();
  await installThermometer(path.join(dataDir, 'edge/plugins'));
  mkdirSync(path.join(dataDir, 'edge/devices.d'), { recursive: true });
  writeFileSync(path.join(dataDir, 'edge/devices.d/cellar.yaml'), yaml.replace('7000', String(thermometer.port)));
  const { edge, log, port } = await startTestEdge({ dataDir, node: 'pi' });
  const mqtt = await watchMqtt(port, ['$hw/events/device/#']);
  const document = (what: string, text: RegExp): Promise<unknown> =>
    until(() => mqtt.seen.find(({ topic, payload }) => topic.endsWith('/twin/update/document') && text.test(payload)), {
      what,
      deadlineMs: 90_000,
    });
  try {
    await document('the first reading', /"temperature":.*"current":\{"actual":\{"value":"21\.5"/);
    await ask(mqtt, '$hw/events/device/cellar/twin/update', { twin: { setpoint: { expected: { value: '21' } } } });
    await document('the read-back', /"current":\{"expected":\{"value":"21",.*"result":"reached".*"actual":\{"value":"21"/);
    assert.is(log.find(({ event }) => event === 'mapper.process.running')?.fields['mapper'], 'thermometer');
  } finally {
    await mqtt.close();
    await edge.stop();
    await thermometer.close();
  }
});

test.run();
