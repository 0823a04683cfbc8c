/** Owns how a program of ours is bundled. */
import path from 'node:path';
import type { BuildOptions } from 'esbuild';
import { nativeSqlite, sourcePaths } from './plugins.ts';

/** CommonJS packages inside an ES module need `require`; files that our sources name beside themselves are found from dist/. */
const banner = `import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __toPath } from 'node:url';
const require = __createRequire(import.meta.url);
const __sourcePath = (path) => __toPath(new URL('../' + path, import.meta.url));`;

/** What cannot or must not be bundled: it finds native builds beside itself, or is loaded by child processes only. */
const external = ['serialport', 'node-opcua', 'node-opcua-client', '@abandonware/noble'];

export interface Program {
  program: string;
  /** Relative to `root`. */
  entry: string;
  root: string;
  dist: string;
}

/** How one program is bundled. SOURCEMAP=1 adds source maps. */
export function optionsFor({ program, entry, root, dist }: Program): BuildOptions {
  return {
    entryPoints: { [program]: path.join(root, entry) },
    outdir: dist,
    // Chunks are what is imported on demand (mqtt, mapper plugins); their names tell whose they are.
    chunkNames: `${program}-[name]-[hash]`,
    splitting: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external,
    banner: { js: banner },
    plugins: [nativeSqlite, sourcePaths(root, entry)],
    sourcemap: process.env.SOURCEMAP === '1' ? 'external' : false,
    absWorkingDir: root,
  };
}
