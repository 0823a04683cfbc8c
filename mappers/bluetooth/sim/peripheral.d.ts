/**
 * @param {...[type: number, value: Buffer]} structures
 * @returns {Buffer}
 */
export function advertisingData(...structures: [type: number, value: Buffer][]): Buffer;
/** Advertising data types. */
export const AD: Readonly<{
    FLAGS: 1;
    SOME_16BIT_SERVICES: 2;
    ALL_16BIT_SERVICES: 3;
    COMPLETE_NAME: 9;
    TX_POWER: 10;
    CONNECTION_INTERVAL: 18;
    MANUFACTURER: 255;
}>;
/**
 * @typedef {object} PeripheralOptions
 * @property {import('./virtual-hci.js').Air} air
 * @property {string} address
 * @property {'public' | 'random'} [addressType]
 * @property {number} [rssi] dBm
 * @property {number} [advertisingInterval] ms
 * @property {number} [mtu] the ATT MTU offered
 */
/** @typedef {import('./virtual-hci.js').RadioPeripheral} RadioPeripheral */
/**
 * Events: 'connected', 'disconnected' (reason: number).
 * @implements {RadioPeripheral}
 */
export class VirtualPeripheral extends EventEmitter<[never]> implements RadioPeripheral {
    /** @param {PeripheralOptions} options */
    constructor({ air, address, addressType, rssi, advertisingInterval, mtu }: PeripheralOptions);
    gatt: GattServer;
    /** @type {{ data: Buffer, scanResponse: Buffer }} */
    advertisement: {
        data: Buffer;
        scanResponse: Buffer;
    };
    /** How many connections so far. */
    connections: number;
    address: string;
    addressType: "public" | "random";
    rssi: number;
    get connected(): boolean;
    get advertising(): boolean;
    get reachable(): boolean;
    /** @returns {AttBearer | undefined} */
    get bearer(): AttBearer | undefined;
    /**
     * Out of range, nothing is heard of it and a link dies after its supervision timeout.
     * @param {boolean} inRange
     */
    setInRange(inRange: boolean): void;
    /** The battery is taken out. */
    powerOff(): void;
    powerOn(): void;
    /** Ends the link from this side, as when the user presses the button. */
    disconnect(): void;
    /**
     * The next connections fall apart at once: the host sees a connection, then its loss (0x3e).
     * @param {number} [count]
     */
    failConnections(count?: number): void;
    /** The link stays up but no request is answered. */
    stall(): void;
    /** Answers what was held back, and everything from now on. */
    resume(): void;
    /** Stops every timer. */
    destroy(): void;
    takeConnectionFailure(): boolean;
    /** @param {Link} link */
    linkUp(link: Link): void;
    /**
     * @param {Link} link
     * @param {number} reason
     */
    linkDown(link: Link, reason: number): void;
    /**
     * @param {Link} link
     * @param {number} channel
     * @param {Buffer} payload
     */
    receive(link: Link, channel: number, payload: Buffer): void;
    /** For a subclass: the link is gone. */
    onDisconnected(): void;
    #private;
}
export type PeripheralOptions = {
    air: import("./virtual-hci.js").Air;
    address: string;
    addressType?: "public" | "random" | undefined;
    /**
     * dBm
     */
    rssi?: number | undefined;
    /**
     * ms
     */
    advertisingInterval?: number | undefined;
    /**
     * the ATT MTU offered
     */
    mtu?: number | undefined;
};
export type RadioPeripheral = import("./virtual-hci.js").RadioPeripheral;
import { EventEmitter } from 'node:events';
import { GattServer } from './gatt-server.js';
import { AttBearer } from './gatt-server.js';
import { Link } from './virtual-hci.js';
