export { Air, HCI_STATUS, Link, VirtualController } from "./virtual-hci.js";
export { ATT_ERROR, AttError, AttBearer, GattServer } from "./gatt-server.js";
export { AD, VirtualPeripheral, advertisingData } from "./peripheral.js";
export { KEYS, SENSORS, SensorTag, tiUuid } from "./sensortag.js";
export { failingHciSocket, localHciSocket, serveController, streamHciSocket } from "./hci-socket.js";
export { closeNoble, installHciSocket } from "./noble-hook.js";
