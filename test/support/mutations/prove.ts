/** Owns the proof that tests see a missing check (`make prove`): takes each out of a copy of the sources and runs its tests, which must fail. Usage: node --import tsx test/support/mutations/prove.ts [part of a name] [part of the first name] */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runProcess } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { apiUserMutations } from './api-users.ts';
import { boundaryMutations } from './boundaries.ts';
import { doorMutations } from './doors.ts';
import type { Mutation } from './mutation.ts';

const root = path.join(import.meta.dirname, '../../..');
const COPIED = ['cloud', 'edge', 'mappers', 'boards', 'bin', 'device-models', 'test', 'conf', 'package.json', 'tsconfig.json'];
const mutations = [...boundaryMutations, ...doorMutations, ...apiUserMutations];

function copyOfSources(): string {
  const copy = path.join(tempDir(), 'hivelet');
  mkdirSync(copy);
  for (const name of COPIED) cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  return copy;
}

/** Undefined = a test failed, as it should; else what is wrong. */
async function prove(copy: string, { file, from, to, tests }: Mutation): Promise<string | undefined> {
  const place = path.join(copy, file);
  const source = readFileSync(place, 'utf8');
  if (source.split(from).length !== 2) return `${file} does not hold this exactly once: ${from.trim()}`;
  writeFileSync(
    place,
    source.replace(from, () => to),
  );
  try {
    for (const test of tests) {
      // A test that does not end has noticed too.
      const run = runProcess({ command: process.execPath, args: ['--import', 'tsx', test], cwd: copy, deadlineMs: 60_000 });
      const code = await run.then(
        (finished) => finished.code,
        () => 1,
      );
      if (code !== 0) return undefined;
    }
    return `${tests.join(', ')} did not notice`;
  } finally {
    writeFileSync(place, source);
  }
}

const [wanted = '', after = ''] = process.argv.slice(2);
const copy = copyOfSources();
let faults = 0;
const first = Math.max(
  0,
  mutations.findIndex(({ check }) => after !== '' && check.includes(after)),
);
for (const mutation of mutations.slice(first).filter(({ check }) => check.includes(wanted))) {
  const fault = await prove(copy, mutation);
  if (fault !== undefined) faults += 1;
  process.stdout.write(
    `${fault === undefined ? 'noticed' : 'MISSED '} without "${mutation.check}"${fault === undefined ? '' : `: ${fault}`}\n`,
  );
}
rmSync(copy, { recursive: true, force: true });
process.exitCode = faults === 0 ? 0 : 1;
