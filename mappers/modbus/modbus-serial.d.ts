/**
 * Owns the types of the parts of modbus-serial that we use: framing of TCP and the checksum of RTU. The package's entry loads serialport
 * as well, whatever is used (8 MB of private memory, measured), so that its parts are imported one by one.
 */
declare module 'modbus-serial/ports/tcpport.js' {
  /** MBAP frames over a connected socket. Emits `data` with unit, PDU and a checksum made up by it. */
  export default class TcpPort {
    on(event: 'data', listener: (frame: Buffer) => void): this;
    constructor(options: { socket: import('node:net').Socket });
    /** Transaction id of the next write. */
    readonly _transactionIdWrite: number;
    /** Transaction id of the frame of a `data` event. */
    readonly _transactionIdRead: number;
    /** Unit, PDU and two bytes that stand for a checksum, which are cut off. */
    write(frame: Buffer): void;
  }
}

declare module 'modbus-serial/utils/crc16.js' {
  export default function crc16(bytes: Uint8Array): number;
}
