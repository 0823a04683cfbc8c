/** Proves which configuration of the edge the commands go by. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tempDir } from '#test/support/temp-dir.ts';
import { Flags } from '../../../bin/commands/command.ts';
import { edgeSettings } from '../../../bin/commands/edge-settings.ts';

const header = (kind: string): string => `apiVersion: ${kind.toLowerCase()}.config.hivelet.dev/v1alpha1\nkind: ${kind}\n`;
const edgeFile = (node: string): string => `${header('EdgeCore')}modules:\n  edged:\n    hostnameOverride: ${node}\n`;

const folder = tempDir();
const joined = path.join(folder, 'joined');
mkdirSync(path.join(joined, 'edge'), { recursive: true });
writeFileSync(path.join(joined, 'edge', 'edgecore.yaml'), edgeFile('hall-1'));
const other = path.join(folder, 'other.yaml');
writeFileSync(other, edgeFile('hall-2'));
const cloud = path.join(folder, 'cloud.yaml');
writeFileSync(cloud, header('CloudCore'));

const node = (dataDir: string, config: string[] = [], set: string[] = []): string =>
  edgeSettings({
    dataDir,
    flags: new Flags(
      new Map([
        ['config', config],
        ['set', set],
      ]),
    ),
  }).get('modules.edged.hostnameOverride');

test('a joined board is the node that its edgecore.yaml names, also for discover, read and mappers', () => {
  assert.is(node(joined), 'hall-1');
  assert.is(node(folder), '');
});

test('--config wins over that file, --set over both, and a file of the cloud is not for the edge', () => {
  assert.is(node(joined, [other]), 'hall-2');
  assert.is(node(joined, [other], ['modules.edged.hostnameOverride=hall-3']), 'hall-3');
  assert.is(node(joined, [other, cloud]), 'hall-2');
  assert.is(node(joined, [cloud]), 'hall-1');
});

test('a file that is not there is told by its name', () => {
  assert.throws(() => node(joined, ['/nowhere.yaml']), /cannot read the configuration file \/nowhere\.yaml: /);
});

test.run();
