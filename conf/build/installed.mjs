/**
 * Owns the question whether node_modules is what package-lock.json says: exit 0 when every package has its version and SQLite's native part
 * loads in this node. Plain JavaScript, because nothing is installed yet when it is asked first.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.join(import.meta.dirname, '../..');
const packagesOf = (file) => JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;

function fault() {
  const wanted = packagesOf('package-lock.json');
  const present = packagesOf('node_modules/.package-lock.json');
  const differs = Object.keys(wanted).find(
    (name) => name !== '' && !wanted[name].optional && wanted[name].version !== present[name]?.version,
  );
  if (differs !== undefined) return `${differs} is not installed in version ${wanted[differs].version}`;
  const extra = Object.keys(present).find((name) => wanted[name] === undefined);
  if (extra !== undefined) return `${extra} is installed but not in package-lock.json`;
  const Database = createRequire(path.join(root, 'package.json'))('better-sqlite3');
  new Database(':memory:').close();
  return undefined;
}

try {
  const found = fault();
  if (found !== undefined) throw new Error(found);
} catch (error) {
  process.stderr.write(`npm packages are not installed: ${error.message.split('\n')[0]}\n`);
  process.exitCode = 1;
}
