/** Owns `make build`: one bundle per program in dist/, the native SQLite beside it, the boards' node flags for the launcher, the kit of mapper authors. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { boardFlags } from './board-flags.ts';
import { buildMapperKit } from './mapper-kit.ts';
import { optionsFor } from './options.ts';

const root = path.join(import.meta.dirname, '../..');
const dist = path.join(root, 'dist');

/** Program name and its entry. */
const programs = { edgecore: 'edge/main.ts', mapper: 'mappers/main.ts', cloudcore: 'cloud/main.ts', hivelet: 'bin/hivelet.ts' } as const;

function copyNativeSqlite(): void {
  const built = path.join(root, 'node_modules/better-sqlite3/build/Release/better_sqlite3.node');
  if (!existsSync(built)) throw new Error('better-sqlite3 has no native build: run `rm -rf node_modules && make build`, which compiles it');
  const target = path.join(dist, 'better_sqlite3.node');
  // A running program has the old file mapped: a new one takes its place, its pages stay.
  rmSync(target, { force: true });
  copyFileSync(built, target);
}

mkdirSync(dist, { recursive: true });
const missing = Object.entries(programs).filter(([, entry]) => !existsSync(path.join(root, entry)));
const present = Object.entries(programs).filter(([, entry]) => existsSync(path.join(root, entry)));
const builds = present.map(([program, entry]) =>
  build({ ...optionsFor({ program, entry, root, dist }), logLevel: 'warning', metafile: true }),
);
const written = new Set(
  (await Promise.all(builds)).flatMap((result) => Object.keys(result.metafile.outputs).map((file) => path.basename(file))),
);
// Only now: until here the programs of an earlier build could still be started.
for (const file of readdirSync(dist)) if (/\.js(?:\.map)?$/.test(file) && !written.has(file)) rmSync(path.join(dist, file));
copyNativeSqlite();
await buildMapperKit(root, path.join(dist, 'kit'));
writeFileSync(path.join(dist, 'board-flags.tsv'), boardFlags(path.join(root, 'boards')));
for (const [program] of present) {
  const size = statSync(path.join(dist, `${program}.js`)).size;
  process.stdout.write(`dist/${program}.js  ${String(Math.round(size / 1024))} KiB\n`);
}
for (const [program, entry] of missing) process.stderr.write(`NOT BUILT: dist/${program}.js, because its entry ${entry} does not exist\n`);
