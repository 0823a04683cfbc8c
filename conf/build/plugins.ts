/** Owns what esbuild has to be told about our sources: where SQLite's native part is, and what `import.meta` meant before bundling. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/** better-sqlite3 looks for its `.node` through `bindings`; in a bundle it lies beside the bundle. */
export const nativeSqlite: Plugin = {
  name: 'native-sqlite',
  setup(build) {
    build.onResolve({ filter: /^bindings$/ }, () => ({ path: 'bindings', namespace: 'native' }));
    build.onLoad({ filter: /.*/, namespace: 'native' }, () => ({
      contents: "const load = require; module.exports = (name) => load('./' + name);",
      loader: 'js',
    }));
  },
};

/**
 * Keeps `import.meta.dirname`, `.filename` and `.url` of our sources what they are when run unbundled, so that files found relative to a source
 * are found from dist/ too. Only the entry keeps its own filename and url: it asks whether it is the program that was started.
 */
export function sourcePaths(root: string, entry: string): Plugin {
  return {
    name: 'source-paths',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
        const source = await readFile(file, 'utf8');
        const relative = path.relative(root, file).split(path.sep).join('/');
        if (relative.startsWith('node_modules/') || relative.startsWith('..')) return undefined;
        return { contents: rewriteMeta(source, relative, relative === entry), loader: 'ts' };
      });
    },
  };
}

/** `relative` is the source's path from the root of the repository. */
export function rewriteMeta(source: string, relative: string, isEntry: boolean): string {
  const folder = path.posix.dirname(relative);
  const dirname = source.replaceAll(/\bimport\.meta\.dirname\b/g, `__sourcePath(${JSON.stringify(folder)})`);
  if (isEntry) return dirname;
  return dirname
    .replaceAll(/\bimport\.meta\.filename\b/g, `__sourcePath(${JSON.stringify(relative)})`)
    .replaceAll(/\bimport\.meta\.url\b/g, `new URL(${JSON.stringify(`../${relative}`)}, import.meta.url).href`);
}
