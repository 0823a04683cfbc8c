/** Proves on the shipped bundle what only a bundle can break: code that is loaded on demand. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ask, watchMqtt } from '#test/support/edge.ts';
import { needing, peerPath } from '#test/support/peers.ts';
import { freePort } from '#test/support/ports.ts';
import { runProcess, spawnProcess } from '#test/support/processes.ts';
import { createSite, launcher } from '#test/support/programs.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const samples = join(import.meta.dirname, '../../device-models/samples');

needing(test, 'mosquitto')('the bundled edge serves an external broker, local device files and the Modbus plugin', async () => {
  const dataDir = tempDir();
  const port = await freePort();
  const conf = join(dataDir, 'mosquitto.conf');
  writeFileSync(conf, `listener ${String(port)} 127.0.0.1\nallow_anonymous true\n`);
  const devices = join(dataDir, 'edge/devices.d');
  mkdirSync(devices, { recursive: true });
  for (const file of ['modbus-thermostat-model.yaml', 'modbus-thermostat.yaml']) cpSync(join(samples, file), join(devices, file));
  const mosquitto = spawnProcess({ command: peerPath('mosquitto'), args: ['-v', '-c', conf] });
  await mosquitto.line(/running/);
  const sets = [
    'modules.eventBus.mqttMode=2',
    `modules.eventBus.mqttServerExternal=tcp://127.0.0.1:${String(port)}`,
    'modules.edgeHub.enable=false',
  ];
  const edge = spawnProcess({ command: launcher, args: ['edge', '--data-dir', dataDir, ...sets.flatMap((set) => ['--set', set])] });
  await edge.line(/edgecore\.ready/);
  await edge.line(/mapper\.device\.bound/);
  const mqtt = await watchMqtt(port, ['$hw/events/#']);
  const answer = await ask(mqtt, '$hw/events/device/thermostat/twin/get', {});
  assert.equal(Object.keys(answer['twin'] as object), ['setpoint', 'temperature', 'heating']);
  await mqtt.close();
  await edge.stop();
  await mosquitto.stop();
});

test('the bundled programs print help, settings and versions, and name wrong usage', async () => {
  for (const program of ['edge', 'cloud', 'api']) {
    const help = await runProcess({ command: launcher, args: [program, '--help'] });
    assert.is(help.code, 0);
    assert.match(help.stdout, new RegExp(`^hivelet ${program}:`));
    const wrong = await runProcess({ command: launcher, args: [program, '--nonsense'] });
    assert.is(wrong.code, 2);
    assert.match(wrong.stderr, /--nonsense/);
  }
  const unknown = await runProcess({ command: launcher, args: ['edge', '--set', 'modules.eventBus.mqttMod=1', '--data-dir', tempDir()] });
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /modules\.eventBus\.mqttMod is not a setting; did you mean modules\.eventBus\.mqttMode\?/);
  const minimal = await runProcess({ command: launcher, args: ['edge', '--minconfig'] });
  assert.match(minimal.stdout, /mqttServerInternal: tcp:\/\/127\.0\.0\.1:1883/);
});

interface Dump {
  modules: Record<string, { ok: boolean }>;
  memory: { rssMib: number; heapMib: number };
}

test('SIGUSR2 tells how the modules are and what memory is left after a collection', async () => {
  const site = await createSite(tempDir());
  const programs = { cloudcore: await site.cloud(), edgecore: await site.edge() };
  for (const [name, program] of Object.entries(programs)) {
    process.kill(program.pid, 'SIGUSR2');
    const { modules, memory } = JSON.parse(await program.line(`"event":"${name}.modules"`)) as Dump;
    assert.ok(Object.values(modules).length > 5 && Object.values(modules).every(({ ok }) => ok), JSON.stringify(modules));
    assert.ok(memory.heapMib > 1 && memory.heapMib < memory.rssMib, JSON.stringify(memory));
    const flags = readFileSync(`/proc/${String(program.pid)}/cmdline`, 'utf8');
    assert.match(flags, /--expose-gc/, 'which a collection needs');
    await program.stop();
  }
});

test.run();
