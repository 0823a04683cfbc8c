/**
 * @param {string | number} uuid 16 bit ('180f', 0x180f) or 128 bit, with or without dashes
 * @returns {Buffer} little endian, 2 or 16 bytes
 */
export function uuidBytes(uuid: string | number): Buffer;
/** Attribute Protocol error codes. */
export const ATT_ERROR: Readonly<{
    INVALID_HANDLE: 1;
    READ_NOT_PERMITTED: 2;
    WRITE_NOT_PERMITTED: 3;
    INVALID_PDU: 4;
    INSUFFICIENT_AUTHENTICATION: 5;
    REQUEST_NOT_SUPPORTED: 6;
    INVALID_OFFSET: 7;
    PREPARE_QUEUE_FULL: 9;
    ATTRIBUTE_NOT_FOUND: 10;
    INVALID_VALUE_LENGTH: 13;
    UNLIKELY: 14;
    UNSUPPORTED_GROUP_TYPE: 16;
    /** First application error; TI firmware answers a value out of range with it. */
    APPLICATION: 128;
}>;
/** Thrown by a read or write handler to answer with an ATT error. */
export class AttError extends Error {
    /** @param {number} code one of ATT_ERROR */
    constructor(code: number);
    code: number;
}
/**
 * @typedef {object} Attribute
 * @property {number} handle
 * @property {Buffer} type UUID, little endian
 * @property {number} [groupEnd] last handle of the group, for a service declaration
 * @property {((bearer: AttBearer) => Buffer)} [read]
 * @property {((value: Buffer, bearer: AttBearer) => void)} [write]
 */
/**
 * @typedef {object} CharacteristicDefinition
 * @property {string | number} uuid
 * @property {Array<keyof typeof PROPERTY_BITS>} properties
 * @property {Buffer} [value] fixed value, when there is no read handler
 * @property {(bearer: AttBearer) => Buffer} [read]
 * @property {(value: Buffer, bearer: AttBearer) => void} [write] may throw AttError
 * @property {(enabled: boolean, bearer: AttBearer) => void} [subscribed]
 */
/**
 * @typedef {object} ServiceDefinition
 * @property {string | number} uuid
 * @property {number} [handle] handle of the declaration; by default the next free one
 * @property {CharacteristicDefinition[]} characteristics
 */
/** The attributes of one device. */
export class GattServer {
    /** @returns {readonly Attribute[]} */
    get attributes(): readonly Attribute[];
    /**
     * Appends a primary service.
     * @param {ServiceDefinition} service
     * @returns {number[]} the value handle of each characteristic
     */
    addService(service: ServiceDefinition): number[];
    /**
     * @param {number} handle
     * @returns {Attribute}
     */
    attribute(handle: number): Attribute;
    /**
     * @param {number} start
     * @param {number} end
     * @returns {Attribute[]}
     */
    range(start: number, end: number): Attribute[];
    #private;
}
/** One client's conversation with a GATT server: its MTU, subscriptions and prepared writes. */
export class AttBearer {
    /**
     * @param {GattServer} server
     * @param {(pdu: Buffer) => void} send
     * @param {number} [serverMtu] the MTU offered to a client that asks
     */
    constructor(server: GattServer, send: (pdu: Buffer) => void, serverMtu?: number);
    mtu: number;
    /** @param {number} valueHandle */
    subscription(valueHandle: number): number;
    /**
     * @param {number} valueHandle
     * @param {number} bits
     */
    subscribe(valueHandle: number, bits: number): void;
    /**
     * Sends a notification if the client asked for it.
     * @param {number} valueHandle
     * @param {Buffer} value
     * @returns {boolean} whether it was sent
     */
    notify(valueHandle: number, value: Buffer): boolean;
    /** @param {Buffer} pdu an ATT packet from the client */
    receive(pdu: Buffer): void;
    #private;
}
export type Attribute = {
    handle: number;
    /**
     * UUID, little endian
     */
    type: Buffer;
    /**
     * last handle of the group, for a service declaration
     */
    groupEnd?: number | undefined;
    read?: ((bearer: AttBearer) => Buffer) | undefined;
    write?: ((value: Buffer, bearer: AttBearer) => void) | undefined;
};
export type CharacteristicDefinition = {
    uuid: string | number;
    properties: Array<keyof typeof PROPERTY_BITS>;
    /**
     * fixed value, when there is no read handler
     */
    value?: Buffer<ArrayBufferLike> | undefined;
    read?: ((bearer: AttBearer) => Buffer) | undefined;
    /**
     * may throw AttError
     */
    write?: ((value: Buffer, bearer: AttBearer) => void) | undefined;
    subscribed?: ((enabled: boolean, bearer: AttBearer) => void) | undefined;
};
export type ServiceDefinition = {
    uuid: string | number;
    /**
     * handle of the declaration; by default the next free one
     */
    handle?: number | undefined;
    characteristics: CharacteristicDefinition[];
};
declare const PROPERTY_BITS: Readonly<{
    broadcast: 1;
    read: 2;
    writeWithoutResponse: 4;
    write: 8;
    notify: 16;
    indicate: 32;
}>;
export {};
