/** The definitions of the built-in kinds: the files are what the package makes of them, the schemas what the rows say. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { definitionFiles } from '../../../support/kubernetes-definitions.ts';

const folder = path.join(import.meta.dirname, '../../../../cloud/store/embedded/definitions');

for (const [name, text] of definitionFiles()) {
  const file = path.join(folder, name);
  if (process.env.UPDATE === '1') writeFileSync(file, text);
  test(`${name} is up to date`, () => assert.ok(readFileSync(file, 'utf8') === text, `run this test with UPDATE=1 to write ${name}`));
}

test.run();
