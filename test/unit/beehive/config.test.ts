/** Configuration: our file and KubeEdge's, `--set`, and every fault with its place. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultConfig, loadConfig, printConfig } from '#beehive/config-file.ts';
import { type ConfigSchema, type Setting } from '#beehive/config.ts';
import { edgeSchema } from '#edge/config.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { refusal } from './refusal.ts';

const settings = [
  { path: 'modules.bus.enable', type: 'boolean', default: true, doc: 'on or off', minimal: true },
  { path: 'modules.bus.mode', type: 'int', default: 0, kubeedgeDefault: 2, oneOf: [0, 1, 2], doc: 'how' },
  { path: 'modules.bus.heartbeat', type: 'int', default: 15, unit: 's', min: 1, max: 60, doc: 'how often' },
  { path: 'modules.bus.size', type: 'int', default: 100, min: 10, doc: 'how much' },
  { path: 'modules.bus.password', type: 'string', default: '', doc: 'secret' },
  { path: 'modules.bus.level', type: 'string', default: 'info', oneOf: ['info', 'debug'], doc: 'how loud' },
  { path: 'modules.bus.ports', type: 'strings', default: ['/dev/a'], doc: 'which' },
  { path: 'modules.node.labels', type: 'map', default: {}, doc: 'labels' },
  { path: 'modules.node.hostname', type: 'string', default: 'here', doc: 'who', minimal: true },
] as const satisfies readonly Setting[];

const schema: ConfigSchema<typeof settings> = {
  kind: 'EdgeCore',
  apiVersion: 'hivelet/v1',
  kubeedgeApiVersions: ['kubeedge/v1alpha1', 'kubeedge/v1alpha2'],
  settings,
  unsupported: ['featureGates', 'modules.node.taints', 'modules.serviceBus'],
};

const folder = tempDir();
let files = 0;

function fileWith(text: string): string {
  const file = path.join(folder, `edgecore-${String(files++)}.yaml`);
  writeFileSync(file, text);
  return file;
}

const load = (text: string, ...sets: string[]) => loadConfig(schema, { file: fileWith(text), sets });
const set = (...sets: string[]) => loadConfig(schema, { sets });
const header = 'apiVersion: hivelet/v1\nkind: EdgeCore\n';
const kubeedge = 'apiVersion: kubeedge/v1alpha1\nkind: EdgeCore\n';

test('without a file and in an empty one the defaults hold', () => {
  for (const config of [
    loadConfig(schema, {}),
    load(''),
    load('# nothing\n'),
    load(header),
    load('modules:\n'),
    load('modules: {bus: {}}\n'),
  ]) {
    assert.is(config.get('modules.bus.mode'), 0);
    assert.equal(config.get('modules.bus.ports'), ['/dev/a']);
    assert.equal([config.isSet('modules.bus.mode'), config.kubeedgeFile, config.warnings], [false, false, []]);
  }
});

test('a file is laid over the defaults, --set over the file, the last one wins', () => {
  const config = load(`${header}modules:\n  bus: {mode: 1, heartbeat: 5}\n`, 'modules.bus.mode=2', 'modules.bus.mode=0');
  assert.equal([config.get('modules.bus.mode'), config.get('modules.bus.heartbeat'), config.get('modules.bus.size')], [0, 5, 100]);
  assert.equal([config.isSet('modules.bus.heartbeat'), config.isSet('modules.bus.size')], [true, false]);
});

test("a KubeEdge file has KubeEdge's defaults, also for a key without a value", () => {
  for (const text of [kubeedge, kubeedge.replace('alpha1', 'alpha2'), `${kubeedge}modules:\n  bus:\n    mode:\n`]) {
    const config = load(text);
    assert.equal([config.kubeedgeFile, config.get('modules.bus.mode'), config.isSet('modules.bus.mode')], [true, 2, false]);
    assert.is(config.get('modules.bus.heartbeat'), 15);
  }
  assert.is(load(`${kubeedge}modules: {bus: {mode: 0}}`).get('modules.bus.mode'), 0);
});

test('the file of a real KubeEdge edgecore loads; what we do not have is named in one warning', () => {
  const file = path.join(import.meta.dirname, '../../golden/kubeedge-1.9.1/00-edgecore.yaml');
  const config = loadConfig(edgeSchema, { file });
  assert.is(config.kubeedgeFile, true);
  assert.equal(
    [
      config.get('modules.edged.enable'),
      config.get('modules.edged.hostnameOverride'),
      config.get('modules.edgeHub.heartbeat'),
      config.get('modules.edgeHub.tlsCaFile'),
      config.get('modules.edgeHub.websocket.server'),
      config.get('modules.eventBus.mqttMode'),
      config.get('modules.eventBus.mqttServerInternal'),
      config.get('modules.eventBus.eventBusTLS.tlsMqttCAFile'),
      config.get('database.dataSource'),
    ],
    [false, 'edge-node', 15, 'RUNCA.crt', '127.0.0.1:27300', 0, 'tcp://127.0.0.1:27284', '/etc/kubeedge/ca/rootCA.crt', 'RUN.db'],
  );
  assert.equal(config.warnings, [
    'settings of features that Hivelet does not have are ignored: database.aliasName, database.driverName, modules.dbTest.enable, ' +
      'modules.edgeHub.quic.enable, modules.edgeHub.quic.handshakeTimeout, modules.edgeHub.quic.readDeadline, ' +
      'modules.edgeHub.quic.server, modules.edgeHub.quic.writeDeadline, modules.edgeHub.token, ' +
      'modules.edgeHub.websocket.readDeadline, modules.edgeHub.websocket.writeDeadline, modules.edgeStream.enable, ' +
      'modules.metaManager.contextSendGroup, modules.metaManager.contextSendModule, modules.metaManager.podStatusSyncInterval, ' +
      'modules.serviceBus.enable',
  ]);
});

const texts: [yaml: string, value: string][] = [
  ['plain', 'plain'],
  ['"quoted"', 'quoted'],
  ['0123', '0123'],
  ['1.10', '1.10'],
  ['0x1F', '0x1F'],
  ['true', 'true'],
  ['yes', 'yes'],
  ['""', ''],
  ['"a: b # c"', 'a: b # c'],
];
for (const [yaml, value] of texts) {
  test(`where a text belongs, ${yaml} is the text ${JSON.stringify(value)}`, () => {
    assert.is(load(`modules: {bus: {password: ${yaml}}}`).get('modules.bus.password'), value);
    assert.equal(load(`modules: {bus: {ports: [${yaml}, x]}}`).get('modules.bus.ports'), [value, 'x']);
    assert.equal(load(`modules: {node: {labels: {a: ${yaml}}}}`).get('modules.node.labels'), { a: value });
  });
}

const given: [set: string, path: (typeof settings)[number]['path'], value: unknown][] = [
  ['modules.bus.enable=false', 'modules.bus.enable', false],
  ['modules.bus.heartbeat=7', 'modules.bus.heartbeat', 7],
  ['modules.bus.password=a=b', 'modules.bus.password', 'a=b'],
  ['modules.bus.password=007', 'modules.bus.password', '007'],
  ['modules.bus.password=', 'modules.bus.password', ''],
  ['modules.bus.password={', 'modules.bus.password', '{'],
  ['modules.bus.ports=/dev/b,/dev/c', 'modules.bus.ports', ['/dev/b', '/dev/c']],
  ['modules.bus.ports=', 'modules.bus.ports', []],
  ['modules.node.labels={a: 1.10, b: x}', 'modules.node.labels', { a: '1.10', b: 'x' }],
  ['modules.node.labels.site=hall 2', 'modules.node.labels', { site: 'hall 2' }],
  ['modules.node.labels.node-role.kubernetes.io/edge=', 'modules.node.labels', { 'node-role.kubernetes.io/edge': '' }],
  ['modules.bus.heartbeat=', 'modules.bus.heartbeat', 15],
];
for (const [argument, name, value] of given) test(`--set ${argument} is understood`, () => assert.equal(set(argument).get(name), value));

test('a map takes single keys on top of those of the file, whatever they are called', () => {
  const config = load('modules:\n  node:\n    labels:\n      a: one\n      __proto__: two\n      empty:\n', 'modules.node.labels.b=three');
  const labels = config.get('modules.node.labels');
  assert.equal(Object.entries(labels), [
    ['a', 'one'],
    ['__proto__', 'two'],
    ['empty', ''],
    ['b', 'three'],
  ]);
  assert.equal(load('modules: {node: {labels: }}').get('modules.node.labels'), {});
});

test('anchors and aliases are followed, a map inside itself is a fault and no endless loop', async () => {
  const config = load('modules:\n  node: {hostname: &name pi}\n  bus: {password: *name, ports: [*name]}\n');
  assert.equal([config.get('modules.bus.password'), config.get('modules.bus.ports')], ['pi', ['pi']]);
  assert.match(await refusal(() => load('modules: &all\n  bus: *all\n')), /modules\.bus\.bus\.bus/);
});

test('settings of features that we do not have are one warning, whatever they hold, from file and --set', () => {
  const config = load(
    `${kubeedge}featureGates: {X: true}\nmodules:\n  node: {taints: [{key: a}]}\n  serviceBus: {enable: true, port: 1}\n`,
    'modules.serviceBus.timeout=3',
  );
  assert.equal(config.warnings, [
    'settings of features that Hivelet does not have are ignored: featureGates.X, modules.node.taints, modules.serviceBus.enable, modules.serviceBus.port, modules.serviceBus.timeout',
  ]);
});

const faults: [title: string, yaml: string, line: number, message: RegExp][] = [
  [
    'a key with a typing error',
    'modules:\n  bus:\n    haertbeat: 3',
    3,
    /^modules\.bus\.haertbeat is not a setting; did you mean modules\.bus\.heartbeat\?$/,
  ],
  ['a key in other capitals', 'modules:\n  Bus:\n    mode: 3', 3, /did you mean modules\.bus\.mode\?$/],
  [
    'a section with a typing error',
    'modules:\n  serviceBuss:\n    enable: true',
    3,
    /^modules\.serviceBuss\.enable is not a setting; did you mean modules\.serviceBus\?$/,
  ],
  ['a key in the wrong section', 'modules:\n  bus:\n    hostname: x', 3, /did you mean modules\.node\.hostname\?$/],
  ['a key that is like no other', 'modules:\n  bus:\n    zzz: 1', 3, /^modules\.bus\.zzz is not a setting$/],
  ['a section that has a value', 'modules:\n  bus: true', 2, /^modules\.bus is a section, it takes settings below it/],
  ['a section that is a list', 'modules: [bus]', 1, /^modules is a section/],
  ['a text for a switch', 'modules:\n\n  bus: {enable: "yes"}', 3, /^modules\.bus\.enable must be true or false, not "yes"$/],
  ['a fraction', 'modules: {bus: {heartbeat: 1.5}}', 1, /^modules\.bus\.heartbeat must be a whole number, not 1\.5$/],
  ['a number as a text', 'modules: {bus: {heartbeat: "5"}}', 1, /must be a whole number, not "5"$/],
  ['a map for a number', 'modules: {bus: {heartbeat: {a: 1}}}', 1, /must be a whole number, not a list or a map$/],
  ['a number below its range', 'modules: {bus: {heartbeat: 0}}', 1, /must be between 1 and 60 s, not 0$/],
  ['a number below its least', 'modules: {bus: {size: 9}}', 1, /must be at least 10, not 9$/],
  ['a number that is no choice', 'modules: {bus: {mode: 3}}', 1, /must be one of 0, 1, 2, not 3$/],
  ['a text that is no choice', 'modules: {bus: {level: loud}}', 1, /must be one of info, debug, not "loud"$/],
  ['a list for a text', 'modules: {bus: {password: [a]}}', 1, /^modules\.bus\.password must be a text$/],
  ['a text for a list', 'modules: {bus: {ports: /dev/a}}', 1, /must be a list of texts$/],
  ['a list with a map in it', 'modules: {bus: {ports: [{a: 1}]}}', 1, /must be a list of texts$/],
  ['a list for a map', 'modules: {node: {labels: [a]}}', 1, /must be a map of texts$/],
  ['a map with a map in it', 'modules: {node: {labels: {a: {b: c}}}}', 1, /must be a map of texts$/],
  ['another kind', 'apiVersion: hivelet/v1\nkind: CloudCore', 2, /^kind is "CloudCore"; this program reads kind EdgeCore$/],
  [
    'another apiVersion',
    '\napiVersion: other/v1',
    2,
    /^apiVersion "other\/v1" is not known; use hivelet\/v1 or kubeedge\/v1alpha1 or kubeedge\/v1alpha2$/,
  ],
  ['an apiVersion that is a list', 'apiVersion: [a]', 1, /^apiVersion \[\] is not known/],
  ['the same key twice', 'modules:\n  bus: {mode: 1}\n  bus: {mode: 2}', 3, /^Map keys must be unique/],
  ['text that is no YAML', 'modules:\n  bus: {mode: 1', 2, /./],
  ['two documents', 'modules: {}\n---\nmodules: {}', 2, /Source contains multiple documents/],
  ['a list at the top', '- a', 1, /^the file is not a map of settings$/],
];
for (const [title, yaml, line, message] of faults) {
  test(`${title} is a fault with its line`, async () => {
    const file = fileWith(yaml);
    const text = await refusal(() => loadConfig(schema, { file }));
    const place = `CONFIG_INVALID: ${file}:${String(line)}: `;
    assert.is(text.slice(0, place.length), place);
    assert.match(text.slice(place.length).split('\n')[0] ?? '', message);
  });
}

const refused: [set: string, message: RegExp][] = [
  ['modules.bus.mode', /^--set modules\.bus\.mode: write it as path\.to\.key=value$/],
  ['=1', /^--set =1: write it as/],
  ['modules.bus.mod=1', /^--set modules\.bus\.mod=1: modules\.bus\.mod is not a setting; did you mean modules\.bus\.mode\?$/],
  ['modules.bus.mode=x', /must be a whole number, not "x"$/],
  ['modules.bus.mode={', /^--set modules\.bus\.mode=\{: /],
  ['modules.bus=1', /modules\.bus is a section/],
  ['kind=CloudCore', /kind is not a setting/],
];
for (const [argument, message] of refused) {
  test(`--set ${argument} is refused`, async () => {
    const text = await refusal(() => set(argument));
    assert.match(text.replace(/^CONFIG_INVALID: /, ''), message);
  });
}

test('all faults are told at once, one a line', async () => {
  const text = await refusal(() => load('modules:\n  bus: {mode: 9, zzz: 1}\n', 'modules.bus.size=1', 'nonsense'));
  assert.is(text.split('\n').length, 4);
});

test('a file that cannot be read is named', async () => {
  const file = path.join(folder, 'absent.yaml');
  assert.match(
    await refusal(() => loadConfig(schema, { file })),
    new RegExp(`^CONFIG_INVALID: cannot read the configuration file ${file}: there is no such file \\(ENOENT\\)$`),
  );
});

test('what is printed can be read again and means the same', () => {
  const config = load(kubeedge, 'modules.bus.password=0123', 'modules.node.labels.version=1.10', 'modules.bus.ports=true');
  const again = load(printConfig(schema, config));
  for (const { path: name } of settings) assert.equal(again.get(name), config.get(name), name);
  assert.equal([again.kubeedgeFile, again.warnings], [false, []]);
});

test('--defaultconfig and --minconfig of edgecore can be read again, and change nothing', () => {
  for (const minimal of [false, true]) {
    const text = defaultConfig(edgeSchema, minimal);
    const config = loadConfig(edgeSchema, { file: fileWith(text) });
    for (const setting of edgeSchema.settings) {
      assert.equal(config.get(setting.path), setting.default, setting.path);
      const shown = !minimal || 'minimal' in setting;
      assert.is(config.isSet(setting.path), shown, setting.path);
      assert.is(text.includes(`# ${setting.path}: `), shown, setting.path);
    }
    assert.equal(config.warnings, []);
  }
});

test.run();
