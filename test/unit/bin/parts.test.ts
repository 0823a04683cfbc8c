/** Owns the proof that `up` gives each file and setting to the program it is for. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { tempDir } from '#test/support/temp-dir.ts';
import { nodeOf, partArguments, splitSettings } from '../../../bin/commands/parts.ts';

test('settings go to the program that has them, or to the one that is named', () => {
  const { cloud, edge } = splitSettings(
    [],
    [
      'modules.eventBus.mqttMode=0',
      'modules.apiServer.listen=127.0.0.1:1',
      'cloud.modules.cloudHub.nodeLimit=5',
      'edge.database.dataSource=/x',
      'database.dataSource=/y',
    ],
  );
  assert.equal(edge.sets, ['modules.eventBus.mqttMode=0', 'database.dataSource=/x', 'database.dataSource=/y']);
  assert.equal(cloud.sets, ['modules.apiServer.listen=127.0.0.1:1', 'modules.cloudHub.nodeLimit=5']);
});

test('a setting of neither, or of both, is refused with what to write', () => {
  assert.throws(
    () => splitSettings([], ['modules.eventBus.mqttMod=0']),
    /is a setting of neither cloud nor edge; did you mean modules\.eventBus\.mqttMode\?$/,
  );
  assert.throws(
    () => splitSettings([], ['featureGates.x=true']),
    /could be for cloud or edge: write --set cloud\.featureGates\.x=true or --set edge\./,
  );
});

test('files go by their kind, one of each', () => {
  const folder = tempDir();
  const file = (name: string, kind: string): string => {
    const place = path.join(folder, name);
    writeFileSync(place, `apiVersion: edgecore.config.hivelet.dev/v1alpha1\nkind: ${kind}\nmodules: {edged: {hostnameOverride: bench}}\n`);
    return place;
  };
  const [edge, cloud, other] = [file('e.yaml', 'EdgeCore'), file('c.yaml', 'CloudCore'), file('o.yaml', 'Pod')];
  const parts = splitSettings([edge, cloud], []);
  assert.is(nodeOf(parts.edge), 'bench');
  assert.equal(partArguments(parts.cloud, '/data'), ['--data-dir', '/data', '--config', cloud]);
  assert.throws(() => splitSettings([edge, edge], []), /are both for the edge: name one$/);
  assert.throws(() => splitSettings([other], []), /kind is "Pod"; write EdgeCore or CloudCore$/);
  assert.throws(() => splitSettings([path.join(folder, 'none.yaml')], []), /cannot read the configuration file/);
});

test.run();
