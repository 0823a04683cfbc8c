/** Owns the plant of Bluetooth devices behind a simulated controller: out of range, without battery, stalled; the adapter down. */
import path from 'node:path';
import { Air, VirtualController } from '#mappers/bluetooth/sim/virtual-hci.js';
import { AD, VirtualPeripheral, advertisingData } from '#mappers/bluetooth/sim/peripheral.js';
import { serveController } from '#mappers/bluetooth/sim/hci-socket.js';
import { tempDir } from '#test/support/temp-dir.ts';
import { deviceObject, modelObject, type Plant, type PlantDevice, type PlantFault, type PlantOptions } from './plant.ts';

const MODEL = 'bluetooth-plant';
const PROPERTY = 'label';
const SERVICE = 'f0de';
const CHARACTERISTIC = 'f0df';

interface Label {
  peripheral: VirtualPeripheral;
  text: string;
}

function addressOf(index: number): string {
  return `a0:e6:f8:00:01:${index.toString(16).padStart(2, '0')}`;
}

/** Every second one tells by itself when it has changed. */
function createLabel(air: Air, index: number): Label {
  const peripheral = new VirtualPeripheral({ air, address: addressOf(index), advertisingInterval: 100 });
  const label: Label = { peripheral, text: '0' };
  peripheral.advertisement = {
    data: advertisingData([AD.FLAGS, Buffer.of(6)], [AD.COMPLETE_NAME, Buffer.from(`label-${index}`)]),
    scanResponse: Buffer.alloc(0),
  };
  const [handle = 0] = peripheral.gatt.addService({
    uuid: SERVICE,
    characteristics: [
      {
        uuid: CHARACTERISTIC,
        properties: index % 2 === 0 ? ['read', 'write'] : ['read', 'write', 'notify'],
        read: () => Buffer.from(label.text),
        write: (value) => {
          label.text = value.toString();
          // Nothing is sent to who did not ask for it.
          peripheral.bearer?.notify(handle, value);
        },
      },
    ],
  });
  return label;
}

export async function startBluetoothPlant({ node, devices, cycleMs }: PlantOptions): Promise<Plant> {
  const air = new Air();
  const controller = new VirtualController({ air });
  const socket = path.join(tempDir(), 'hci');
  const served = await serveController(controller, { path: socket });
  const labels = Array.from({ length: devices }, (_, index) => createLabel(air, index));
  for (const { peripheral } of labels) peripheral.powerOn();
  const nameOf = (index: number): string => `bluetooth-${index}`;
  const adapter: PlantFault = {
    name: 'the Bluetooth adapter is down',
    begin: async () => {
      controller.powerOff();
      return async () => controller.powerOn();
    },
  };
  return {
    protocol: 'bluetooth',
    sets: [`modules.mapperHost.bluetooth.hci=${socket}`],
    model: modelObject(MODEL, PROPERTY, { string: { accessMode: 'ReadWrite' } }),
    objects: labels.map((_, index) =>
      deviceObject({
        name: nameOf(index),
        model: MODEL,
        node,
        property: PROPERTY,
        cycleMs,
        protocol: { bluetooth: { macAddress: addressOf(index) } },
        visitor: { bluetooth: { characteristicUUID: CHARACTERISTIC } },
      }),
    ),
    devices: labels.map((label, index): PlantDevice => ({
      name: nameOf(index),
      property: PROPERTY,
      text: (n) => `text-${n}`,
      held: () => label.text,
    })),
    faults: [adapter, ...labels.flatMap(({ peripheral }, index) => faultsOf(peripheral, nameOf(index)))],
    stop: async () => {
      for (const { peripheral } of labels) peripheral.destroy();
      controller.destroy();
      await served.close();
    },
  };
}

function faultsOf(peripheral: VirtualPeripheral, name: string): PlantFault[] {
  return [
    {
      name: `${name} is out of range`,
      begin: async () => {
        peripheral.setInRange(false);
        return async () => peripheral.setInRange(true);
      },
    },
    {
      name: `${name} stalls`,
      begin: async () => {
        peripheral.stall();
        return async () => peripheral.resume();
      },
    },
    {
      name: `${name} hangs up`,
      begin: async () => {
        peripheral.disconnect();
        peripheral.failConnections(1);
        return async () => undefined;
      },
    },
  ];
}
