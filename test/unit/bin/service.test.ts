/** The service that `hivelet join` installs, on a machine made of a folder: which files, which programs in which order, and how it is undone. */
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkService, hasSystemd, removeService, startService, type ServiceHost } from '../../../bin/commands/join/service.ts';
import { configWith } from '../../../bin/commands/join/board-files.ts';
import { tempDir } from '#test/support/temp-dir.ts';

function machine(over: Partial<ServiceHost> = {}): ServiceHost & { lines: string[]; read: (file: string) => string } {
  const root = tempDir();
  const lines: string[] = [];
  return {
    root,
    uid: 0,
    launcher: '/opt/hivelet/bin/hivelet',
    board: 'raspberry-pi-4',
    run: (program, args) => Promise.resolve(void lines.push([program, ...args].join(' '))),
    lines,
    read: (file) => readFileSync(path.join(root, file), 'utf8'),
    ...over,
  };
}

test('user, unit and drop-in are written before systemd is told', async () => {
  const host = machine();
  await startService(host);
  assert.equal(host.lines, [
    'systemd-sysusers hivelet.conf',
    'systemctl daemon-reload',
    'systemctl enable --quiet hivelet-edge.service',
    'systemctl restart hivelet-edge.service',
  ]);
  assert.match(host.read('etc/systemd/system/hivelet-edge.service'), /^ExecStart=\/opt\/hivelet\/bin\/hivelet edge \$HIVELET_EDGE_ARGS$/m);
  assert.match(host.read('etc/systemd/system/hivelet-edge.service.d/board.conf'), /^MemoryMax=/m);
  assert.match(host.read('etc/sysusers.d/hivelet.conf'), /^u hivelet /m);
});

test('it is removed without a trace of the unit', async () => {
  const host = machine();
  await startService(host);
  host.lines.length = 0;
  assert.ok(await removeService(host));
  assert.equal(host.lines, ['systemctl disable --quiet --now hivelet-edge.service', 'systemctl daemon-reload']);
  assert.equal(readdirSync(path.join(host.root, 'etc/systemd/system')), []);
  assert.not.ok(await removeService(host));
});

test('a mapper that is to be a service of its own is installed with what starts it and with its rights, and goes when it is not wanted', async () => {
  const host = machine();
  await startService(host, ['bluetooth']);
  assert.equal(host.lines.slice(1), [
    'systemctl daemon-reload',
    'systemctl enable --quiet hivelet-edge.service',
    'systemctl enable --quiet --now hivelet-mapper@bluetooth.path',
    'systemctl restart hivelet-edge.service',
  ]);
  const unit = host.read('etc/systemd/system/hivelet-mapper@bluetooth.service');
  assert.match(unit, /^ExecStart=\/opt\/hivelet\/bin\/hivelet mapper %i --socket \/run\/hivelet\/mapper-%i\.sock$/m);
  assert.match(unit, /^CapabilityBoundingSet=$/m);
  assert.match(host.read('etc/systemd/system/hivelet-mapper@bluetooth.path'), /^PathExists=\/run\/hivelet\/mapper-%i\.wanted$/m);
  assert.match(
    host.read('etc/systemd/system/hivelet-mapper@bluetooth.service.d/rights.conf'),
    /^AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN$/m,
  );
  assert.match(host.read('etc/systemd/system/hivelet-edge.service'), /^RuntimeDirectory=hivelet\nRuntimeDirectoryMode=0750$/m);
  host.lines.length = 0;
  await startService(host, ['modbus']);
  assert.equal(host.lines.slice(0, 2), [
    'systemctl disable --quiet --now hivelet-mapper@bluetooth.path',
    'systemctl stop hivelet-mapper@bluetooth.service',
  ]);
  assert.ok(await removeService(host));
  assert.equal(readdirSync(path.join(host.root, 'etc/systemd/system')), []);
});

test('a program that fails is named in one sentence', async () => {
  const host = machine({ run: (program) => (program === 'systemctl' ? Promise.reject(new Error('no bus\nmore')) : Promise.resolve()) });
  try {
    await startService(host);
    assert.unreachable();
  } catch (error) {
    assert.match(
      (error as Error).message,
      /^systemctl daemon-reload failed \(no bus\): see `journalctl -u hivelet-edge\.service`, then join again$/,
    );
  }
});

test('only root installs it, and only for the data directory that the unit may write', () => {
  assert.throws(
    () => checkService(machine({ uid: 1000 }), '/var/lib/hivelet'),
    /^installing the service needs root: run it with sudo, or with --no-service$/,
  );
  assert.throws(
    () => checkService(machine(), '/srv/x'),
    /^the service keeps its data in \/var\/lib\/hivelet: leave out --data-dir, or use --no-service$/,
  );
  checkService(machine(), '/var/lib/hivelet');
});

test('systemd is where it says it runs', () => {
  const host = machine();
  assert.not.ok(hasSystemd(host));
  mkdirSync(path.join(host.root, 'run/systemd/system'), { recursive: true });
  assert.ok(hasSystemd(host));
  assert.not.ok(existsSync(path.join(host.root, 'etc')));
});

test('the configuration gets cloud and name, keeps the rest, and must be one of an edge', () => {
  const wishes = { server: 'cloud:10000', node: 'pi' };
  const made = configWith(undefined, wishes, 'f');
  assert.match(made, /^kind: EdgeCore$/m);
  assert.match(made, 'server: cloud:10000');
  assert.match(made, 'hostnameOverride: pi');
  const kept = configWith('kind: EdgeCore # mine\nmodules:\n  eventBus: { mqttMode: 2 }\n', wishes, 'f');
  assert.match(kept, 'kind: EdgeCore # mine');
  assert.match(kept, 'mqttMode: 2');
  for (const bad of ['kind: CloudCore\n', '- a\n', 'kind: EdgeCore\n  x: [\n']) {
    assert.throws(() => configWith(bad, wishes, 'f.yaml'), /^f\.yaml is no configuration of kind EdgeCore: mend it/);
  }
});

test.run();
