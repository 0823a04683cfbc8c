/** Owns simulated Bluetooth devices for tests: an air, a controller served on a socket, and what can be done to them. */
import path from 'node:path';
import { Air, SensorTag, serveController, VirtualController, VirtualPeripheral } from '../../mappers/bluetooth/sim/index.js';
import type { CharacteristicDefinition } from '../../mappers/bluetooth/sim/gatt-server.js';
import { tempDir } from '#test/support/temp-dir.ts';

/** Devices advertise so often that nobody has to wait for them. */
const ADVERTISING_MS = 20;

export interface BleAir {
  readonly air: Air;
  readonly controller: VirtualController;
  /** For the option `hci` of the plugin. */
  readonly hci: string;
  tag(address: string, environment?: ConstructorParameters<typeof SensorTag>[0]['environment']): SensorTag;
  peripheral(address: string, characteristics: readonly CharacteristicDefinition[]): VirtualPeripheral;
  close(): Promise<void>;
}

/** `hci`: where it is served; default a new socket. */
export async function bleAir({
  hci = path.join(tempDir(), 'hci0'),
  realtime = false,
}: { hci?: string; realtime?: boolean } = {}): Promise<BleAir> {
  const air = new Air();
  const controller = new VirtualController({ air, realtime });
  const served = await serveController(controller, { path: hci });
  const devices: VirtualPeripheral[] = [];
  return {
    air,
    controller,
    hci,
    tag(address, environment = {}) {
      const tag = new SensorTag({ air, address, environment, advertisingInterval: ADVERTISING_MS });
      devices.push(tag);
      return tag;
    },
    peripheral(address, characteristics) {
      const peripheral = new VirtualPeripheral({ air, address, advertisingInterval: ADVERTISING_MS });
      peripheral.gatt.addService({ uuid: 'fff0', characteristics: [...characteristics] });
      devices.push(peripheral);
      return peripheral;
    },
    async close() {
      for (const device of devices) device.destroy();
      controller.destroy();
      await served.close();
    },
  };
}
