/**
 * @param {string} address 'a0:e6:f8:00:00:01'
 * @returns {Buffer} little endian
 */
export function addressBytes(address: string): Buffer;
/** HCI status codes and disconnect reasons used here. */
export const HCI_STATUS: Readonly<{
    SUCCESS: 0;
    UNKNOWN_COMMAND: 1;
    UNKNOWN_CONNECTION: 2;
    CONNECTION_TIMEOUT: 8;
    CONNECTION_LIMIT_EXCEEDED: 9;
    CONNECTION_ALREADY_EXISTS: 11;
    COMMAND_DISALLOWED: 12;
    REMOTE_USER_TERMINATED: 19;
    REMOTE_POWER_OFF: 21;
    TERMINATED_BY_LOCAL_HOST: 22;
    FAILED_TO_BE_ESTABLISHED: 62;
}>;
/**
 * What a controller needs to know of a peripheral.
 * @typedef {object} RadioPeripheral
 * @property {string} address
 * @property {'public' | 'random'} addressType
 * @property {number} rssi
 * @property {boolean} reachable in range and switched on
 * @property {{ data: Buffer, scanResponse: Buffer }} advertisement
 * @property {(link: Link) => void} linkUp
 * @property {(link: Link, reason: number) => void} linkDown
 * @property {(link: Link, channel: number, payload: Buffer) => void} receive
 * @property {() => boolean} [takeConnectionFailure] true to let the next connection fail to be established
 */
/** The radio space shared by controllers and peripherals. */
export class Air {
    /** @param {VirtualController} controller */
    attach(controller: VirtualController): void;
    /** @param {VirtualController} controller */
    detach(controller: VirtualController): void;
    /**
     * One advertising event: every controller in reach hears it.
     * @param {RadioPeripheral} peripheral
     */
    advertise(peripheral: RadioPeripheral): void;
    #private;
}
/** A connection between a controller and a peripheral. */
export class Link {
    /** Channels of the logical link, as L2CAP numbers them. */
    static ATT: number;
    static SIGNALING: number;
    static SECURITY: number;
    /**
     * @param {VirtualController} controller
     * @param {RadioPeripheral} peripheral
     * @param {number} handle
     * @param {{ interval: number, latency: number, timeout: number }} parameters in HCI units
     * @param {boolean} realtime
     */
    constructor(controller: VirtualController, peripheral: RadioPeripheral, handle: number, parameters: {
        interval: number;
        latency: number;
        timeout: number;
    }, realtime: boolean);
    peripheral: RadioPeripheral;
    handle: number;
    parameters: {
        interval: number;
        latency: number;
        timeout: number;
    };
    get open(): boolean;
    /**
     * Peripheral to host.
     * @param {number} channel
     * @param {Buffer} payload
     */
    send(channel: number, payload: Buffer): void;
    /**
     * Host to peripheral: one ACL packet, possibly a fragment.
     * @param {number} boundary packet boundary flag
     * @param {Buffer} data
     */
    transmit(boundary: number, data: Buffer): void;
    /** The radio path is gone; the link dies when the supervision timeout has passed. */
    fade(): void;
    /** The radio path is back in time; what was held is delivered. */
    recover(): void;
    /**
     * Ends the link on both sides.
     * @param {number} reason as the host sees it
     * @param {number} [peripheralReason]
     */
    close(reason: number, peripheralReason?: number): void;
    #private;
}
/**
 * @typedef {object} ControllerOptions
 * @property {Air} air
 * @property {string} [address] default '00:1a:7d:da:71:01'
 * @property {number} [hciVersion] 9 is Bluetooth 5.0; below 6 there is no LE (noble: 'unsupported')
 * @property {number} [manufacturer] 15 is Broadcom, as on a Raspberry Pi
 * @property {number} [aclLength] size of the controller's LE data buffers, default 251
 * @property {number} [aclCount] number of them, default 8
 * @property {number} [maxConnections] default 10
 * @property {boolean} [realtime] true: data moves once per connection interval, as on the air
 */
/**
 * The controller. Emits 'packet' (Buffer) for the host.
 */
export class VirtualController extends EventEmitter<[never]> {
    /** @param {ControllerOptions} options */
    constructor(options: ControllerOptions);
    get address(): string;
    get powered(): boolean;
    /** @returns {Link[]} */
    get links(): Link[];
    get scanning(): boolean;
    /** The adapter goes down: all state is lost and, as on Linux, the host gets no event for it. */
    powerOff(): void;
    powerOn(): void;
    /** The host program has ended: its links and its attempt end, scanning goes on, as on Linux. */
    hostGone(): void;
    /** Takes the controller out of the air for good. */
    destroy(): void;
    /** @param {Buffer} packet an H4 packet from the host */
    receive(packet: Buffer): void;
    /**
     * An advertising event on the air.
     * @param {RadioPeripheral} peripheral
     */
    hear(peripheral: RadioPeripheral): void;
    /**
     * @param {Link} link
     * @param {number} channel
     * @param {Buffer} payload
     */
    deliver(link: Link, channel: number, payload: Buffer): void;
    /** @param {Link} link */
    acknowledge(link: Link): void;
    /**
     * @param {Link} link
     * @param {number} reason
     */
    linkClosed(link: Link, reason: number): void;
    #private;
}
/**
 * What a controller needs to know of a peripheral.
 */
export type RadioPeripheral = {
    address: string;
    addressType: "public" | "random";
    rssi: number;
    /**
     * in range and switched on
     */
    reachable: boolean;
    advertisement: {
        data: Buffer;
        scanResponse: Buffer;
    };
    linkUp: (link: Link) => void;
    linkDown: (link: Link, reason: number) => void;
    receive: (link: Link, channel: number, payload: Buffer) => void;
    /**
     * true to let the next connection fail to be established
     */
    takeConnectionFailure?: (() => boolean) | undefined;
};
export type ControllerOptions = {
    air: Air;
    /**
     * default '00:1a:7d:da:71:01'
     */
    address?: string | undefined;
    /**
     * 9 is Bluetooth 5.0; below 6 there is no LE (noble: 'unsupported')
     */
    hciVersion?: number | undefined;
    /**
     * 15 is Broadcom, as on a Raspberry Pi
     */
    manufacturer?: number | undefined;
    /**
     * size of the controller's LE data buffers, default 251
     */
    aclLength?: number | undefined;
    /**
     * number of them, default 8
     */
    aclCount?: number | undefined;
    /**
     * default 10
     */
    maxConnections?: number | undefined;
    /**
     * true: data moves once per connection interval, as on the air
     */
    realtime?: boolean | undefined;
};
import { EventEmitter } from 'node:events';
