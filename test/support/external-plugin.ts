/** Owns the example of docs/write-a-mapper.md as a stranger installs it: bundled, in a folder of plugins of its own. */
import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const source = path.join(import.meta.dirname, '../../mappers/contract-test/example/thermometer.ts');

/** Builds it into `<folder>/<name>/plugin.js`; answers that file. */
export async function installThermometer(folder: string, name = 'thermometer'): Promise<string> {
  const outfile = path.join(folder, name, 'plugin.js');
  mkdirSync(path.dirname(outfile), { recursive: true });
  await build({ entryPoints: [source], outfile, bundle: true, platform: 'node', format: 'cjs', logLevel: 'silent' });
  for (const place of [folder, path.dirname(outfile), outfile]) chmodSync(place, place === outfile ? 0o644 : 0o755);
  return outfile;
}
