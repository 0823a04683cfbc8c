/** Proves what is said where the OPC UA client is not installed, or in part, and that the same process finds it when it comes. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const root = path.join(import.meta.dirname, '../..');
const remedy = 'run npm install --include=optional in the folder of Hivelet';

/** Installs one package after the other, and says after each what a load gives. */
const program = `
  import { mkdirSync, writeFileSync } from 'node:fs';
  import { loadEngine } from './mappers/opcua/engine.ts';
  const tell = () => loadEngine().then(() => console.log('loaded'), ({ code, message }) => console.log(code, message.split('\\n')[0]));
  await tell();
  for (const names of process.argv.slice(2)) {
    for (const name of names.split(',')) {
      const folder = new URL('node_modules/' + name + '/dist/', import.meta.url);
      mkdirSync(folder, { recursive: true });
      writeFileSync(new URL('index.js', folder), 'exports.setDebugLogger = exports.setWarningLogger = exports.setErrorLogger = () => {};');
      writeFileSync(new URL('../package.json', folder), JSON.stringify({ name, main: './dist/index.js' }));
    }
    await tell();
  }
`;

/** In a folder that has the engine and no packages. */
async function outcomes(...steps: string[]): Promise<string[]> {
  const folder = tempDir();
  for (const part of ['package.json', 'edge/beehive/errors.ts', 'mappers/opcua/engine.ts'])
    cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
  mkdirSync(path.join(folder, 'node_modules'));
  const script = path.join(folder, 'try.mjs');
  writeFileSync(script, program);
  const { stdout, stderr, code } = await runProcess({
    command: process.execPath,
    args: ['--import', fileURLToPath(import.meta.resolve('tsx')), script, ...steps],
    cwd: folder,
  });
  assert.is(code, 0, stderr);
  return stdout.trim().split('\n');
}

const others = 'node-opcua-debug,node-opcua-binary-stream,node-opcua-certificate-manager';

test('a client that is installed later is found', async () => {
  assert.equal(await outcomes(`node-opcua-client,${others}`), [`PLUGIN_MISSING node-opcua-client is not installed: ${remedy}`, 'loaded']);
});

test('a client that lacks packages of its own says so, with the remedy', async () => {
  const [, part] = await outcomes('node-opcua-client');
  assert.is(part, `PLUGIN_MISSING node-opcua-client is installed in part only (Cannot find module 'node-opcua-debug'): ${remedy}`);
});

test.run();
