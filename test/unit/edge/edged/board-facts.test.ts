/** What a board says of pressure on memory, disk and processes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boardCapacity, pressureConditions, readPressure, systemInfo, type Pressure } from '#edge/edged/board-facts.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const MIB = 1024 * 1024;
const roomy: Pressure = {
  availableMemoryBytes: 500 * MIB,
  disk: { totalBytes: 1000 * MIB, freeBytes: 500 * MIB, totalInodes: 1000, freeInodes: 500 },
  processes: { running: 100, limit: 32_768 },
};

for (const [what, over, pressed] of [
  ['nothing is short', {}, []],
  ['just enough memory is available', { availableMemoryBytes: 100 * MIB }, []],
  ['less memory is available', { availableMemoryBytes: 100 * MIB - 1 }, ['MemoryPressure']],
  ['a tenth of the disk is free', { disk: { ...roomy.disk!, freeBytes: 100 * MIB } }, []],
  ['less of the disk is free', { disk: { ...roomy.disk!, freeBytes: 100 * MIB - 1 } }, ['DiskPressure']],
  ['few inodes are free', { disk: { ...roomy.disk!, freeInodes: 49 } }, ['DiskPressure']],
  ['a file system has no inodes to count', { disk: { ...roomy.disk!, totalInodes: 0, freeInodes: 0 } }, []],
  ['many processes run', { processes: { running: 950, limit: 1000 } }, ['PIDPressure']],
] as const) {
  test(`${what}: ${pressed.join() || 'no pressure'}`, () => {
    const conditions = pressureConditions({ ...roomy, ...over });
    assert.equal(
      conditions.map(({ type }) => type),
      ['MemoryPressure', 'DiskPressure', 'PIDPressure'],
    );
    assert.equal(
      conditions.filter(({ status }) => status === 'True').map(({ type }) => type),
      pressed,
    );
  });
}

test('what the system does not tell is not judged', () => {
  assert.equal(pressureConditions({ availableMemoryBytes: undefined, disk: undefined, processes: undefined }), []);
});

test('this machine tells all of it, in the quantities of Kubernetes', () => {
  const dataDir = tempDir();
  assert.equal(pressureConditions(readPressure(dataDir)).length, 3);
  const { cpu, memory, pods, ...storage } = boardCapacity(dataDir);
  assert.match(`${cpu ?? ''} ${memory ?? ''} ${pods ?? ''} ${storage['ephemeral-storage'] ?? ''}`, /^[1-9]\d* [1-9]\d*Ki 0 [1-9]\d*Ki$/);
  assert.is(systemInfo('v1')['kubeletVersion'], 'v1');
  assert.is(boardCapacity('/no/such/folder')['ephemeral-storage'], undefined);
});

test.run();
