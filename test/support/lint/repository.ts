/** Owns the checks of `make check` that no linter makes: what lies at the top level, and that the lock file names no registry. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const TOP_LEVEL = new Set(
  'edge mappers cloud device-models boards conf test bin docs package.json package-lock.json tsconfig.json Makefile README.md LICENSE CHANGELOG.md eslint.config.js'.split(
    ' ',
  ),
);
/** What git does not know, and dot files, may lie there; `node_modules` and `dist` are made by the Makefile. */
const MADE = new Set(['node_modules', 'dist']);

/** One sentence for each fault of the repository at `root`. */
export function repositoryFaults(root: string): string[] {
  const faults = readdirSync(root)
    .filter((entry) => !entry.startsWith('.') && !MADE.has(entry) && !TOP_LEVEL.has(entry))
    .map(
      (entry) =>
        `${entry}: does not belong at the top level; move it into one of edge, mappers, cloud, device-models, boards, conf, test, docs, bin`,
    );
  const lock = path.join(root, 'package-lock.json');
  if (existsSync(lock) && /"resolved": "http/.test(readFileSync(lock, 'utf8'))) {
    faults.push('package-lock.json: names a registry in "resolved"; run npm install again with the .npmrc of this repository');
  }
  return faults;
}

if (process.argv[1] === import.meta.filename) {
  const faults = repositoryFaults(path.join(import.meta.dirname, '../../..'));
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}
