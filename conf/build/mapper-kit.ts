/** Owns what an author of mappers imports from the package: `hivelet/mapper` and `hivelet/mapper-test`, with their types, in dist/kit. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import ts from 'typescript';

/** Name in `exports` of package.json and its source. */
const entries = { mapper: 'mappers/kit.ts', 'mapper-test': 'mappers/contract-test/index.ts' } as const;

/** The aliases of package.json are not there in the declarations: they name files beside them. */
const aliases: Readonly<Record<string, string>> = {
  '#beehive/': 'edge/beehive/',
  '#device-models/': 'device-models/',
  '#wire/': 'edge/wire/',
};

export async function buildMapperKit(root: string, outdir: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true });
  await build({
    entryPoints: Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, path.join(root, entry)])),
    outdir,
    // Both have the same class of errors.
    splitting: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    absWorkingDir: root,
  });
  writeDeclarations(root, outdir);
}

function writeDeclarations(root: string, outdir: string): void {
  const config = ts.readConfigFile(path.join(root, 'tsconfig.json'), (file) => ts.sys.readFile(file)).config as {
    compilerOptions: unknown;
  };
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const program = ts.createProgram(
    Object.values(entries).map((entry) => path.join(root, entry)),
    { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true, rootDir: root, outDir: outdir },
  );
  program.emit(undefined, (file, text) => {
    const folder = path.relative(outdir, path.dirname(file));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(
      file,
      text.replace(/(?<=(?:from |import\()['"])([^'"]+)\.ts(?=['"])/g, (_all, name: string) => `${relativeTo(folder, name)}.js`),
    );
  });
}

/** `#beehive/errors` as `mappers/` has to write it: `../edge/beehive/errors`. */
function relativeTo(folder: string, specifier: string): string {
  const alias = Object.keys(aliases).find((each) => specifier.startsWith(each));
  if (alias === undefined) return specifier;
  return path.posix.relative(folder.split(path.sep).join('/'), `${aliases[alias] ?? ''}${specifier.slice(alias.length)}`);
}
