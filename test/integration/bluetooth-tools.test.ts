// timeout: 120s
/** Proves what Bluetooth offers to people: whether it can work here and why not, what is in the air, and devices that behave as a model says. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '#beehive/clock.ts';
import { isHiveletError } from '#beehive/errors.ts';
import { silentLogger } from '#beehive/log.ts';
import { readProfile } from '#device-models/read-profile.ts';
import type { Connection, FoundDevice, PluginContext } from '#mappers/contract.ts';
import { createBluetoothPlugin } from '#mappers/bluetooth/plugin.ts';
import { Air, failingHciSocket, installHciSocket, localHciSocket, VirtualController } from '#mappers/bluetooth/sim/index.js';
import { startProfileTags } from '#mappers/bluetooth/simulate-profile.ts';
import { startSensorTags } from '#mappers/bluetooth/simulate.ts';
import { bleAir } from '#test/simulators/ble-air.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

const TAG = 'a0:e6:f8:00:00:01';

/** A context that ends with the test. */
async function within(run: (context: PluginContext) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  try {
    await run({ clock: systemClock, log: silentLogger(), signal: controller.signal });
  } finally {
    controller.abort(new Error('the test is over'));
  }
}

for (const [code, reason] of [
  ['EAFNOSUPPORT', /no Bluetooth in the kernel/],
  ['ENODEV', /there is no Bluetooth adapter: plug one in/],
  ['EPERM', /may not use the Bluetooth adapter: run it as root, or give it the capabilities CAP_NET_RAW and CAP_NET_ADMIN/],
] as const)
  test(`${code} is a sentence with the remedy, for people and in the state of the device`, async () => {
    installHciSocket(failingHciSocket(code));
    const plugin = createBluetoothPlugin({ root: machine() });
    await within(async (context) => {
      const usability = await plugin.usable?.(context);
      assert.ok(usability?.usable === false);
      assert.match(usability.reason, reason);
      const link = plugin.link({ macAddress: TAG }, 'spec.protocol');
      const error = await plugin.open(link, context).catch((thrown: unknown) => thrown);
      assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'), String(error));
      assert.match(error.message, reason);
      assert.is(error.facts.refused, true);
    });
  });

/** What `/sys` and `/proc` tell; by default nothing. */
function machine(files: Readonly<Record<string, string>> = {}): string {
  const root = tempDir();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return root;
}

const ALL_RIGHTS = 'CapEff:\t000001ffffffffff\n';
for (const [what, files, reason] of [
  ['no adapter', { 'sys/class/bluetooth/bnep0': '', 'proc/self/status': ALL_RIGHTS }, /^there is no Bluetooth adapter: plug one in/],
  ['no right', { 'sys/class/bluetooth/hci0': '', 'proc/self/status': 'CapEff:\t0000000000001000\n' }, /^this process may not use/],
] as const)
  test(`a machine with ${what} is not asked for a socket, which would stay for as long as the process lives`, async () => {
    let sockets = 0;
    installHciSocket(
      class extends failingHciSocket('EPERM') {
        constructor() {
          super();
          sockets++;
        }
      },
    );
    const plugin = createBluetoothPlugin({ root: machine(files) });
    await within(async (context) => {
      const usability = await plugin.usable?.(context);
      assert.ok(usability?.usable === false);
      assert.match(usability.reason, reason);
    });
    assert.is(sockets, 0);
  });

test('an adapter that is off says how to switch it on, and one that comes on meanwhile is not begun with', async () => {
  let asked = 0;
  class Watched extends VirtualController {
    override get powered(): boolean {
      asked++;
      return super.powered;
    }
  }
  const controller = new Watched({ air: new Air() });
  controller.powerOff();
  installHciSocket(localHciSocket([controller]));
  const plugin = createBluetoothPlugin({ root: machine({ 'sys/class/bluetooth/hci0': '', 'proc/self/status': ALL_RIGHTS }) });
  await within(async (context) => {
    const usability = await plugin.usable?.(context);
    assert.ok(usability?.usable === false);
    assert.match(
      usability.reason,
      /^the Bluetooth adapter is down: switch it on \(`rfkill unblock bluetooth`, then `bluetoothctl power on`/,
    );
    controller.powerOn();
    asked = 0;
    await until(() => asked > 0, { what: 'the last look at the adapter' });
  });
  assert.is(controller.listenerCount('packet'), 0);
  controller.destroy();
});

test('a controller that serves another program is no adapter that is down', async () => {
  const radio = await bleAir();
  const first = createBluetoothPlugin({ hci: radio.hci });
  radio.tag(TAG);
  await within(async (context) => {
    await first.open(first.link({ macAddress: TAG }, 'spec.protocol'), context);
    const search = createBluetoothPlugin({ hci: radio.hci }).discover?.({ seconds: '1' }, context);
    const error = await search?.[Symbol.asyncIterator]()
      .next()
      .catch((thrown: unknown) => thrown);
    assert.ok(isHiveletError(error, 'DEVICE_UNREACHABLE'), String(error));
    assert.match(
      error.message,
      `the Bluetooth controller at ${radio.hci} (modules.mapperHost.bluetooth.hci) is not there, or serves another program`,
    );
  });
  await until(() => radio.controller.links.length === 0, { what: 'nobody to stay connected' });
  await radio.close();
});

test('a controller that is not there is named with its address', async () => {
  const hci = path.join(tempDir(), 'nobody');
  await within(async (context) => {
    const usability = await createBluetoothPlugin({ hci }).usable?.(context);
    assert.ok(usability?.usable === false);
    assert.match(usability.reason, `no Bluetooth controller is at ${hci}`);
  });
});

test('what is in the air is found with names, units and converters, and what cannot be looked into says why', async () => {
  const radio = await bleAir();
  radio.tag(TAG);
  const hanging = radio.tag('a0:e6:f8:00:00:02');
  hanging.stall();
  const plugin = createBluetoothPlugin({ hci: radio.hci });
  try {
    await within(async (context) => {
      const found: FoundDevice[] = [];
      for await (const device of plugin.discover?.({ seconds: '1' }, context) ?? []) found.push(device);
      assert.equal(found.map(({ protocol }) => protocol['macAddress']).sort(), [TAG, 'a0:e6:f8:00:00:02']);
      const tag = found.find(({ protocol }) => protocol['macAddress'] === TAG);
      assert.is(tag?.name, 'CC2650 SensorTag');
      const pressure = tag?.properties.find(({ name }) => name === 'pressure');
      assert.equal(
        [pressure?.type, pressure?.unit, pressure?.visitor['characteristicUUID']],
        ['float', 'hectopascal', 'f000aa41-0451-4000-b000-000000000000'],
      );
      for (const name of ['temperature-enable', 'humidity-enable', 'pressure-enable', 'battery'])
        assert.ok(
          tag?.properties.some((property) => property.name === name),
          name,
        );
      const other = found.find((device) => device !== tag);
      assert.equal(other?.properties, []);
      assert.match(other?.remarks.join('; ') ?? '', /did not answer the question for its services/);
    });
    await until(() => radio.controller.links.length === 0, { what: 'nobody to stay connected' });
  } finally {
    await radio.close();
  }
});

test('a search refuses what it does not know', async () => {
  await within(async (context) => {
    const strange: readonly Record<string, string>[] = [{ host: 'a' }, { seconds: '0' }, { address: 'kitchen' }];
    for (const where of strange) {
      const search = createBluetoothPlugin({ hci: '/nowhere' }).discover?.(where, context);
      const error = await search?.[Symbol.asyncIterator]()
        .next()
        .catch((thrown: unknown) => thrown);
      assert.ok(isHiveletError(error, 'USAGE'), String(error));
    }
  });
});

const samples = new URL('../../device-models/samples/', import.meta.url);
const sample = (name: string): Record<string, unknown> => yamlDocuments(readFileSync(new URL(`${name}.yaml`, samples), 'utf8'))[0] ?? {};

async function valueOf(connection: Connection, link: unknown, point: Parameters<Connection['read']>[1][number]): Promise<unknown> {
  const [reading] = await connection.read(link, [point], { signal: new AbortController().signal });
  return reading !== undefined && 'value' in reading ? reading.value : reading?.error;
}

test('a device is played as its model says: bounds, switches, refusals', async () => {
  const { profile } = readProfile(sample('sensortag'), sample('sensortag-model'));
  const played = await startProfileTags({ clock: systemClock, hci: path.join(tempDir(), 'hci0'), realtime: false, profiles: [profile] });
  const plugin = createBluetoothPlugin({ hci: played.hci });
  try {
    await within(async (context) => {
      const link = plugin.link(profile.protocolConfig, 'spec.protocol');
      const connection = (await plugin.open(link, context)) as Connection;
      const point = (name: string): Parameters<Connection['read']>[1][number] => {
        const property = profile.properties.find((each) => each.name === name);
        assert.ok(property);
        return { name, type: property.type, access: plugin.access(property.visitor?.config ?? {}, name, property) };
      };
      const [device] = played.devices;
      device?.values.put('temperature', '-12.5');
      assert.is(Number(await valueOf(connection, link, point('temperature'))), -12.5);
      assert.is(await valueOf(connection, link, point('pressure-enable')), 'OFF');
      const signal = new AbortController().signal;
      await connection.write(link, { point: point('pressure-enable'), value: 'ON' }, { signal });
      assert.is(device?.values.get('pressure-enable'), 'ON');
      device?.values.refuse('pressure-enable', true);
      const refused = await connection
        .write(link, { point: point('pressure-enable'), value: 'OFF' }, { signal })
        .catch((error: unknown) => error);
      assert.ok(isHiveletError(refused, 'POINT_REJECTED'), String(refused));
      assert.match(String(await valueOf(connection, link, point('pressure-enable'))), /reading is not permitted/);
    });
  } finally {
    await played.close();
  }
});

test('a socket that a killed simulator left behind is taken over', async () => {
  const hci = path.join(tempDir(), 'hci0');
  const script = `require('node:net').createServer().listen(${JSON.stringify(hci)}, () => process.kill(process.pid, 'SIGKILL'))`;
  assert.is(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL');
  assert.ok(existsSync(hci));
  const tags = await startSensorTags({ clock: systemClock, hci });
  await tags.close();
});

test('two simulators cannot have one socket, and tags are counted', async () => {
  const hci = path.join(tempDir(), 'hci0');
  const tags = await startSensorTags({ clock: systemClock, hci, tags: 2 });
  assert.equal(
    tags.tags.map(({ address }) => address),
    [TAG, 'a0:e6:f8:00:00:02'],
  );
  const second = await startSensorTags({ clock: systemClock, hci }).catch((error: unknown) => error);
  assert.ok(isHiveletError(second, 'PORT_IN_USE'), String(second));
  await tags.close();
  const none = await startSensorTags({ clock: systemClock, hci, tags: 0 }).catch((error: unknown) => error);
  assert.ok(isHiveletError(none, 'USAGE'), String(none));
});

test.run();
