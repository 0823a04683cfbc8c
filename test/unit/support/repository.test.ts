/** Tests the checks of the repository's own shape. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { repositoryFaults } from '#test/support/lint/repository.ts';
import { tempDir } from '#test/support/temp-dir.ts';

test('this repository has none', () => {
  assert.equal(repositoryFaults(path.join(import.meta.dirname, '../../..')), []);
});

test('a stray top-level entry and a lock file with a registry are named', () => {
  const root = tempDir();
  for (const folder of ['edge', 'dist', 'node_modules', '.git', 'utils']) mkdirSync(path.join(root, folder));
  writeFileSync(path.join(root, 'package-lock.json'), '{ "resolved": "https://registry.example/x.tgz" }');
  const faults = repositoryFaults(root);
  assert.is(faults.length, 2);
  assert.match(faults[0] ?? '', /^utils: does not belong at the top level/);
  assert.match(faults[1] ?? '', /^package-lock\.json: names a registry/);
});

test.run();
