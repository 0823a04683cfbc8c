/** Proves that a plugin of others works from its own folder, built apart from us, and that none is loaded that others could have changed. */
import { chmodSync, mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isHiveletError, messageOf } from '#beehive/errors.ts';
import { contractTest } from '#mappers/contract-test/index.ts';
import { thermometerHarness } from '#mappers/contract-test/example/harness.ts';
import type { ThermometerLink } from '#mappers/contract-test/example/thermometer.ts';
import type { MapperPlugin } from '#mappers/contract.ts';
import { findExternalPlugins } from '#mappers/external-plugins.ts';
import { createPluginTable } from '#mappers/index.ts';
import { installThermometer } from '#test/support/external-plugin.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const folder = path.join(tempDir(), 'plugins');
await installThermometer(folder);

const load = (from: string, name: string): Promise<MapperPlugin> =>
  findExternalPlugins(from)
    .find((plugin) => plugin.name === name)!
    .load();

/** What a folder with this `plugin.js` is refused with. */
async function refusal(text: string, change: (file: string) => void = () => undefined): Promise<string> {
  const file = path.join(tempDir(), 'plugins/strange/plugin.js');
  mkdirSync(path.dirname(file), { recursive: true });
  for (const place of [path.dirname(path.dirname(file)), path.dirname(file)]) chmodSync(place, 0o755);
  writeFileSync(file, text, { mode: 0o644 });
  change(file);
  try {
    await load(path.dirname(path.dirname(file)), 'strange');
  } catch (error) {
    assert.ok(isHiveletError(error, 'PLUGIN_MISSING'), messageOf(error));
    return error.message.replaceAll(path.dirname(file), '…').replaceAll(path.dirname(path.dirname(file)), 'FOLDER');
  }
  return 'loaded';
}

const good = 'const f = () => undefined; export default () => ({ protocol: "strange", link: f, access: f, linkKey: f, open: f });';
const remedy = 'can be changed by other users, so it is not loaded: chown it to root or to the user of the edge, and chmod go-w';

test('only what nobody else can change is loaded', async () => {
  assert.is(await refusal(good), 'loaded');
  assert.is(await refusal(good, (file) => chmodSync(file, 0o664)), `…/plugin.js ${remedy} …/plugin.js`);
  assert.is(await refusal(good, (file) => chmodSync(path.dirname(file), 0o777)), `… ${remedy} …`);
  assert.is(await refusal(good, (file) => chmodSync(path.join(file, '../..'), 0o775)), `FOLDER ${remedy} FOLDER`);
});

test('a link to elsewhere is not followed', async () => {
  const said = await refusal(good, (file) => {
    renameSync(file, `${file}.real`);
    symlinkSync(`${file}.real`, file);
  });
  assert.is(said, '…/plugin.js is a link to …/plugin.js.real: put the plugin itself there');
});

test('what is no plugin is refused with what is wrong', async () => {
  assert.match(await refusal('export default 5;'), /its default export is no function that returns a plugin/);
  assert.match(
    await refusal('export default () => ({ protocol: "x" });'),
    /returns no plugin: it needs protocol, link, access, linkKey and open/,
  );
  assert.match(await refusal('export default () => { throw new Error("no luck"); };'), /its function failed: no luck/);
  assert.match(await refusal('this is no JavaScript'), /cannot be used as a plugin/);
});

test('one that was mended is loaded, though it could not be before', async () => {
  const file = path.join(tempDir(), 'plugins/strange/plugin.js');
  mkdirSync(path.dirname(file), { recursive: true });
  for (const place of [path.dirname(path.dirname(file)), path.dirname(file)]) chmodSync(place, 0o755);
  writeFileSync(file, 'this is no JavaScript', { mode: 0o644 });
  const strange = (): Promise<MapperPlugin> => load(path.dirname(path.dirname(file)), 'strange');
  assert.match(await strange().then(String, messageOf), /cannot be used as a plugin/);
  writeFileSync(file, good);
  utimesSync(file, 1, 1);
  assert.is((await strange()).protocol, 'strange');
});

test('a bundle in CommonJS is one too, whatever Node 20 it is; its function is given the secrets of its devices', async () => {
  const strange = path.join(tempDir(), 'plugins');
  mkdirSync(path.join(strange, 'strange'), { recursive: true });
  for (const place of [strange, path.join(strange, 'strange')]) chmodSync(place, 0o755);
  const text = `const f = () => undefined;
    module.exports = { __esModule: true, default: ({ secrets }) => ({ protocol: 'strange', access: f, linkKey: f, open: f, link: () => secrets }) };`;
  writeFileSync(path.join(strange, 'strange/plugin.js'), text, { mode: 0o644 });
  const secrets = { resolve: async () => Buffer.from('public') };
  const plugin = await createPluginTable({ externalFolder: strange, secrets }).get('strange')!.load();
  assert.is(plugin.link({}, 'spec.protocol'), secrets);
});

test('folders with other names are none, and a folder that is not there has none', () => {
  const other = path.join(tempDir(), 'plugins');
  for (const name of ['.git', 'README', 'x10', '..data', 'a b']) mkdirSync(path.join(other, name), { recursive: true });
  assert.equal(
    findExternalPlugins(other).map(({ name }) => name),
    ['x10'],
  );
  assert.equal(findExternalPlugins(path.join(other, 'missing')), []);
});

test('it has a row of its own, in a process of its own; a name of ours stays ours', async () => {
  await installThermometer(folder, 'modbus');
  const table = createPluginTable({ externalFolder: folder });
  assert.equal([table.get('thermometer')?.placement, table.get('thermometer')?.plugin], ['child', 'thermometer']);
  assert.is((await table.get('modbus')!.load()).protocol, 'modbus');
  assert.not.ok(createPluginTable().has('thermometer'));
});

// Its errors are of a class of its own, which the host does not know.
const plugin = (await load(folder, 'thermometer')) as MapperPlugin<ThermometerLink, string>;
contractTest('built apart', { ...thermometerHarness, plugin }, test);

test.run();
