// timeout: 180s
/** Owns the proof of `make demo`: the round trip with all its hops, what it prints to paste, and what it says about taken ports. */
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { needing, peerPath } from '#test/support/peers.ts';
import { freePorts } from '#test/support/ports.ts';
import { runProcess, spawnProcess } from '#test/support/processes.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';

const root = path.join(import.meta.dirname, '../..');
const hivelet = path.join(root, 'bin/hivelet');
const names = ['MQTT_PORT', 'API_PORT', 'HUB_PORT', 'HTTPS_PORT', 'MODBUS_PORT'] as const;

async function ports(): Promise<Record<string, string>> {
  const free = await freePorts(names.length);
  return Object.fromEntries(names.map((name, index) => [name, String(free[index])]));
}

test('a setpoint goes down to the register and back up, every hop has its time, and the exit code is 0', async () => {
  const { code, stdout, stderr } = await runProcess({
    command: hivelet,
    args: ['demo', '--once', '--data-dir', tempDir()],
    cwd: root,
    env: await ports(),
    deadlineMs: 60_000,
  });
  assert.is(code, 0, stdout + stderr);
  assert.is(stderr, '');
  const hops = stdout.split('\n').flatMap((line) => /^ +\+(\d+) ms {2}(.*)$/.exec(line)?.slice(1, 3) ?? []);
  const texts = hops.filter((_, index) => index % 2 === 1);
  for (const hop of [
    'cloud: PATCH',
    'API: stored',
    'cloudcore: sent',
    'MQTT: $hw/events/device/thermostat/twin/update/delta',
    'thermostat: register written',
    'shows it reported',
    'API: reported',
  ]) {
    assert.ok(
      texts.some((text) => text.includes(hop)),
      `${hop} in\n${stdout}`,
    );
  }
});

test('a SensorTag is beside them: a sensor switched on in the cloud measures, in the next demo too', async () => {
  const dataDir = tempDir();
  for (const run of ['first', 'second']) {
    const { code, stdout, stderr } = await runProcess({
      command: hivelet,
      args: ['demo', '--once', '--data-dir', dataDir],
      cwd: root,
      env: await ports(),
      deadlineMs: 60_000,
    });
    assert.is(code, 0, `${run}: ${stdout}${stderr}`);
    assert.match(stdout, /sensortag +ready/);
    assert.match(stdout, /sensortag reports temperature .*, pressure-enable O(FF|N)/);
    assert.match(stdout, /sensortag pressure-enable = ON was written over Bluetooth/);
    assert.match(stdout, /sensortag pressure 101\d(\.\d+)? hectopascal arrived in the cloud/);
  }
});

test('taken ports are all named at once, with a command that avoids them', async () => {
  const chosen = await ports();
  const taken = await Promise.all([chosen['MQTT_PORT'], chosen['MODBUS_PORT']].map((port) => listen(Number(port))));
  try {
    const { code, stderr } = await runProcess({
      command: hivelet,
      args: ['demo', '--once', '--data-dir', tempDir()],
      cwd: root,
      env: chosen,
    });
    assert.is(code, 1);
    assert.match(
      stderr,
      `port ${chosen['MQTT_PORT'] ?? ''} (MQTT broker of the edge), ${chosen['MODBUS_PORT'] ?? ''} (simulated thermostat) are taken`,
    );
    assert.match(stderr, /choose others with `make demo MQTT_PORT=\d+ MODBUS_PORT=\d+`/);
  } finally {
    for (const server of taken) server.close();
  }
});

needing(
  test,
  'kubectl',
  'mbpoll',
)('what it prints can be pasted: kubectl changes the register, applying again changes nothing', async () => {
  const chosen = await ports();
  const dataDir = tempDir();
  const demo = spawnProcess({ command: hivelet, args: ['demo', '--data-dir', dataDir], cwd: root, env: chosen });
  try {
    await demo.line('Ctrl-C ends it.', { deadlineMs: 60_000 });
    const lineWith = (text: string): string => demo.lines.find((line) => line.includes(text) && !line.includes('#'))?.trim() ?? '';
    const shell = (line: string): ReturnType<typeof runProcess> =>
      runProcess({
        command: '/bin/sh',
        args: ['-c', line],
        cwd: root,
        env: { PATH: `${path.dirname(peerPath('kubectl'))}:${process.env['PATH'] ?? ''}` },
      });
    const nodes = await shell(lineWith('kubectl get nodes,devices'));
    assert.match(nodes.stdout, /demo-board +Ready/);
    assert.match(nodes.stdout, /thermostat/);
    const patched = await shell(lineWith('--type json'));
    assert.is(patched.code, 0, patched.stderr);
    const poll = lineWith('mbpoll');
    await until(async () => /\[0\]: *\t?210/.test((await shell(poll)).stdout), { what: 'the register', everyMs: 100 });
    const applied = await shell(lineWith('apply -f'));
    assert.equal(
      [applied.code, applied.stdout.split('\n').filter((line) => line !== '' && !line.endsWith(' unchanged')), applied.stderr],
      [0, [], ''],
    );
    await until(() => demo.lines.some((line) => line.startsWith('thermostat setpoint 21')), { what: 'the live line' });
  } finally {
    const { code } = await demo.stop();
    assert.is(code, 0);
  }
});

function listen(port: number): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

test.run();
