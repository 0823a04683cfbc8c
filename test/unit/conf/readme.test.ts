/** Proves that conf/README.md, conf/edgecore.yaml and conf/cloudcore.yaml say what the programs do. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultConfig, loadConfig } from '#beehive/config-file.ts';
import { cloudSchema } from '#cloud/config.ts';
import { edgeSchema } from '#edge/config.ts';
import { settingsPage } from './settings-page.ts';

const conf = join(import.meta.dirname, '../../../conf');

function proves(file: string, wanted: string): void {
  if (process.env['UPDATE'] === '1') writeFileSync(join(conf, file), wanted);
  assert.is(
    readFileSync(join(conf, file), 'utf8'),
    wanted,
    `${file} is out of date: UPDATE=1 node --import tsx test/unit/conf/readme.test.ts`,
  );
}

test('conf/README.md lists every setting and every error code', () => {
  proves(
    'README.md',
    settingsPage([
      { title: 'edgecore.yaml', ...edgeSchema },
      { title: 'cloudcore.yaml', ...cloudSchema },
    ]),
  );
});

test('conf/edgecore.yaml and conf/cloudcore.yaml are the short files that --minconfig prints, and they load', () => {
  proves('edgecore.yaml', defaultConfig(edgeSchema, true));
  proves('cloudcore.yaml', defaultConfig(cloudSchema, true));
  assert.is(loadConfig(edgeSchema, { file: join(conf, 'edgecore.yaml') }).get('modules.eventBus.mqttMode'), 0);
  assert.is(loadConfig(cloudSchema, { file: join(conf, 'cloudcore.yaml') }).kubeedgeFile, false);
});

test.run();
