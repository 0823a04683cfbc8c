/** Tests that the lint rules of the house fire where they must and nowhere else. */
import path from 'node:path';
import { ESLint, Linter } from 'eslint';
import { parser } from 'typescript-eslint';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { importRule } from '#test/support/lint/import-rule.js';

const root = path.join(import.meta.dirname, '../../..');

/** What the rule says about one line in a file that need not exist. */
function faults(file: string, line: string): string[] {
  const linter = new Linter({ cwd: root });
  const messages = linter.verify(
    line,
    [
      {
        files: ['**/*.ts'],
        languageOptions: { parser },
        plugins: { house: { rules: { imports: importRule } } },
        rules: { 'house/imports': 'error' },
      },
    ],
    { filename: path.join(root, file) },
  );
  return messages.map((message) => message.message);
}

const allowed: [file: string, line: string][] = [
  ['edge/devicetwin/reported.ts', "import { merge } from './twin.ts';"],
  ['edge/devicetwin/reported.ts', "import { topics } from '#wire/topics.ts';"],
  ['edge/devicetwin/reported.ts', "import type { TwinTable } from '../store/twin-table.ts';"],
  ['edge/devicetwin/reported.ts', "import { type TwinTable, type Row } from '../store/twin-table.ts';"],
  ['edge/devicetwin/reported.ts', "import WebSocket from 'ws'; import path from 'node:path';"],
  ['edge/wire/frame.ts', "import { HiveletError } from '#beehive/errors.ts';"],
  ['edge/main.ts', "import { startHub } from './edgehub/edgehub.ts'; import { store } from './store/database.ts';"],
  ['edge/config.ts', "import { check } from '#beehive/config.ts';"],
  ['mappers/modbus/plugin.ts', "import type { MapperPlugin } from '../contract.ts';"],
  ['mappers/index.ts', "const load = () => import('./modbus/plugin.ts');"],
  ['mappers/contract.ts', "import type { Context } from '#beehive/module.ts';"],
  ['cloud/devicecontroller/desired.ts', "import type { KubeApi } from '../store/kube-api.ts';"],
  ['cloud/devicecontroller/desired.ts', "import { connect } from '#cloud/store/kubeconfig/client.ts';"],
  ['cloud/store/embedded/server.ts', "import { gone } from '../kube-api.ts';"],
  ['bin/hivelet.ts', "import { startEdge } from '../edge/main.ts'; import { load } from '#cloud/store/kubeconfig/file.ts';"],
  ['test/unit/x.test.ts', "import { twin } from '#edge/devicetwin/twin.ts';"],
];
for (const [file, line] of allowed) {
  test(`${file} may say: ${line}`, () => assert.equal(faults(file, line), []));
}

const refused: [file: string, line: string, reason: RegExp][] = [
  ['edge/devicetwin/reported.ts', "import { dial } from '../edgehub/link.ts';", /edge\/devicetwin may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "import { dial } from '#edge/edgehub/link.ts';", /may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "import type { Link } from '../edgehub/link.ts';", /may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "export { dial } from '../edgehub/link.ts';", /may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "export * from '../edgehub/link.ts';", /may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "const link = await import('../edgehub/link.ts');", /may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "type Link = import('../edgehub/link.ts').Link;", /may not import from edge\/edgehub/],
  ['edge/devicetwin/reported.ts', "import { open } from '../store/database.ts';", /by type only/],
  ['edge/devicetwin/reported.ts', "import { type Row, open } from '../store/database.ts';", /by type only/],
  ['edge/devicetwin/reported.ts', "import { topics } from '../wire/topics.ts';", /import edge\/wire as #wire/],
  ['edge/devicetwin/reported.ts', "import { config } from '../config.ts';", /may not import from edge:/],
  ['edge/wire/frame.ts', "import { merge } from '../devicetwin/twin.ts';", /edge\/wire may not import from edge\/devicetwin/],
  ['mappers/modbus/plugin.ts', "import { pool } from '../host/link-pool.ts';", /mappers\/modbus may not import from mappers\/host/],
  ['mappers/host/host.ts', "import { modbus } from '../modbus/plugin.ts';", /mappers\/host may not import from mappers\/modbus/],
  ['cloud/cloudhub/hub.ts', "import { plan } from '../devicecontroller/desired.ts';", /may not import from cloud\/devicecontroller/],
  ['cloud/cloudhub/hub.ts', "import { rows } from '../store/embedded/storage.ts';", /may not import from cloud\/store/],
  ['cloud/cloudhub/hub.ts', "import { link } from '#edge/edgehub/link.ts';", /may not import from edge\/edgehub/],
  ['edge/edgehub/link.ts', "import { main } from '../main.ts';", /may not import from edge\/main\.ts/],
  ['edge/edgehub/link.ts', "import { until } from '#test/support/until.ts';", /may not import from test\/support/],
];
for (const [file, line, reason] of refused) {
  test(`${file} may not say: ${line}`, () => {
    const found = faults(file, line);
    assert.is(found.length, 1);
    assert.match(found[0] ?? '', reason);
  });
}

test('the rule is on for the files of the house, and so are the others that the house rests on', async () => {
  const eslint = new ESLint({ cwd: root });
  const rulesOf = async (file: string): Promise<Record<string, [number, ...unknown[]]>> => {
    const config = (await eslint.calculateConfigForFile(path.join(root, file))) as { rules: Record<string, [number, ...unknown[]]> };
    return config.rules;
  };
  const source = await rulesOf('edge/beehive/retry.ts');
  for (const rule of [
    'house/imports',
    'max-lines',
    'max-lines-per-function',
    'max-params',
    'no-restricted-globals',
    'no-restricted-properties',
    'no-restricted-syntax',
    'eqeqeq',
    '@typescript-eslint/no-floating-promises',
    '@typescript-eslint/no-misused-promises',
    '@typescript-eslint/no-explicit-any',
    '@typescript-eslint/no-unsafe-assignment',
    '@typescript-eslint/switch-exhaustiveness-check',
    '@typescript-eslint/consistent-type-imports',
    '@typescript-eslint/ban-ts-comment',
  ]) {
    assert.is(source[rule]?.[0], 2, rule);
  }
  assert.is((await rulesOf('edge/beehive/clock.ts'))['no-restricted-properties']?.[0], 0);
});

const clockReads = [
  'Date.now()',
  'performance.now()',
  'new Date()',
  'Math.random()',
  'setTimeout(f, 1)',
  'setInterval(f, 1)',
  'globalThis.setTimeout(f, 1)',
  "import { setTimeout } from 'node:timers/promises'",
];
test('time and chance are refused outside the clock, a date made of a number is not', async () => {
  const eslint = new ESLint({ cwd: root, overrideConfigFile: path.join(root, 'eslint.config.js') });
  const config = (await eslint.calculateConfigForFile(path.join(root, 'edge/beehive/retry.ts'))) as { rules: Linter.RulesRecord };
  const clockRules = Object.fromEntries(Object.entries(config.rules).filter(([rule]) => rule.startsWith('no-restricted')));
  const count = (code: string): number =>
    new Linter().verify(code, [{ languageOptions: { globals: { setTimeout: 'readonly', setInterval: 'readonly' } }, rules: clockRules }])
      .length;
  for (const code of clockReads) assert.is(count(code), 1, code);
  assert.is(count('export const text = new Date(0).toISOString() + Math.max(1, 2);'), 0);
});

test.run();
