/** Taints of the Node are taken as kubectl and as KubeEdge write them, and what the API would refuse is refused at the start. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '#beehive/config-file.ts';
import { edgeSchema } from '#edge/config.ts';
import { parseTaint } from '#edge/taints-config.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const folder = tempDir();

function taintsIn(yaml: string, apiVersion = 'edgecore.config.kubeedge.io/v1alpha1'): readonly string[] {
  const file = path.join(folder, 'edgecore.yaml');
  writeFileSync(file, `apiVersion: ${apiVersion}\nkind: EdgeCore\nmodules:\n  edged:\n    taints:\n${yaml}`);
  return loadConfig(edgeSchema, { file }).get('modules.edged.taints');
}

const refused = (work: () => unknown): string => {
  try {
    return JSON.stringify(work());
  } catch (error) {
    return (error as Error).message;
  }
};

test('a KubeEdge file has maps; ours may have texts as kubectl takes them; --set too', () => {
  const wanted = ['node-role.kubernetes.io/edge:NoSchedule', 'site=hall-2:PreferNoSchedule'];
  const maps =
    '    - key: node-role.kubernetes.io/edge\n      effect: NoSchedule\n    - { key: site, value: hall-2, effect: PreferNoSchedule }\n';
  assert.equal(taintsIn(maps), wanted);
  assert.equal(taintsIn(`    - ${wanted.join('\n    - ')}\n`, edgeSchema.apiVersion), wanted);
  assert.equal(loadConfig(edgeSchema, { sets: [`modules.edged.taints=${wanted.join(',')}`] }).get('modules.edged.taints'), wanted);
  assert.equal(taintsIn('    - { key: n, value: 1, effect: NoExecute, timeAdded: null }\n'), ['n=1:NoExecute']);
  assert.equal(loadConfig(edgeSchema, {}).get('modules.edged.taints'), []);
});

for (const item of [
  'a',
  'a:Sometimes',
  'a b:NoSchedule',
  'a=b c:NoSchedule',
  ':NoSchedule',
  '{ key: a }',
  '{ key: a, effect: [NoSchedule] }',
]) {
  test(`${item} is none, with the place and the form`, () => {
    assert.match(
      refused(() => taintsIn(`    - ${item.startsWith('{') ? item : JSON.stringify(item)}\n`)),
      /edgecore\.yaml:5: modules\.edged\.taints must be a list of KEY=VALUE:EFFECT or KEY:EFFECT \(or maps .+\), where EFFECT is NoSchedule, /,
    );
  });
}

test('a text becomes what the Node has', () => {
  assert.equal(parseTaint('site=hall-2:NoSchedule'), { key: 'site', value: 'hall-2', effect: 'NoSchedule' });
  assert.equal(parseTaint('edge:NoExecute'), { key: 'edge', effect: 'NoExecute' });
});

test.run();
