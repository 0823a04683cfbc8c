/** Owns what the contract test needs to know of Bluetooth: a simulated device whose every characteristic can be made to misbehave. */
import path from 'node:path';
import type { ContractHarness, DeviceUnderTest, TestPoint } from '#mappers/contract-test/index.ts';
import type { BluetoothAccess } from '#mappers/bluetooth/access.ts';
import type { BluetoothLink } from '#mappers/bluetooth/link.ts';
import { createBluetoothPlugin } from '#mappers/bluetooth/plugin.ts';
import { Air, AttError, ATT_ERROR, serveController, VirtualController, VirtualPeripheral } from '#mappers/bluetooth/sim/index.js';
import { tempDir } from '#test/support/temp-dir.ts';

const ADDRESS = 'a0:e6:f8:00:00:10';
/** Readable ones from fff0 on; 1,000 points share them. */
const READABLE = 20;
const FIRST = 0xff00;
const WRITABLE = 'fe01';
const CHOOSY = 'fe02';
const MISSING = 'fe09';

type Receive = VirtualPeripheral['receive'];

/** Answers later than it could. */
class SlowPeripheral extends VirtualPeripheral {
  delayMs = 0;

  override receive(...[link, channel, payload]: Parameters<Receive>): void {
    if (this.delayMs === 0) return super.receive(link, channel, payload);
    setTimeout(() => super.receive(link, channel, payload), this.delayMs).unref();
  }
}

const point = (name: string, characteristicUUID: string): TestPoint => ({ name, type: 'int', visitor: { characteristicUUID } });
const hci = path.join(tempDir(), 'hci0');

function populate(device: VirtualPeripheral): void {
  const values = new Map<string, Buffer>([
    [WRITABLE, Buffer.of(20)],
    [CHOOSY, Buffer.of(20)],
  ]);
  const read = (uuid: string) => (): Buffer => values.get(uuid) ?? Buffer.alloc(0);
  const readable = Array.from({ length: READABLE }, (_, index) => ({
    uuid: (FIRST + index).toString(16),
    properties: ['read' as const],
    value: Buffer.of(index),
  }));
  const handles = device.gatt.addService({
    uuid: 'fff0',
    characteristics: [
      {
        uuid: WRITABLE,
        properties: ['read', 'write', 'notify'],
        read: read(WRITABLE),
        write(value) {
          values.set(WRITABLE, value);
          device.bearer?.notify(handles[0] ?? 0, value);
        },
      },
      {
        uuid: CHOOSY,
        properties: ['read', 'write'],
        read: read(CHOOSY),
        write(value) {
          if ((value[0] ?? 0) > 100) throw new AttError(ATT_ERROR.APPLICATION);
          values.set(CHOOSY, value);
        },
      },
      ...readable,
    ],
  });
}

export const bluetoothHarness: ContractHarness<BluetoothLink, BluetoothAccess> = {
  plugin: createBluetoothPlugin({ hci }),
  async start(): Promise<DeviceUnderTest> {
    const air = new Air();
    const controller = new VirtualController({ air });
    const served = await serveController(controller, { path: hci });
    const device = new SlowPeripheral({ air, address: ADDRESS, advertisingInterval: 20 });
    populate(device);
    return {
      link: { macAddress: ADDRESS, timeout: 1000 },
      points: (count) => Array.from({ length: count }, (_, index) => point(`p${index}`, (FIRST + (index % READABLE)).toString(16))),
      bad: point('bad', MISSING),
      writable: { point: point('writable', WRITABLE), values: [21n, 22n] },
      refusing: { point: point('choosy', CHOOSY), value: 200n },
      silence: async () => device.stall(),
      speak: async () => device.resume(),
      slow: async (ms) => void (device.delayMs = ms),
      async cut() {
        device.setInRange(false);
        device.disconnect();
      },
      restore: async () => device.setInRange(true),
      connections: () => controller.links.length,
      async stop() {
        device.destroy();
        controller.destroy();
        await served.close();
      },
    };
  },
};
