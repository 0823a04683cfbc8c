/**
 * Length of the packet at the start of a buffer.
 * @param {Buffer} buffer
 * @returns {number | undefined} undefined while the header is incomplete
 */
export function packetLength(buffer: Buffer): number | undefined;
/**
 * H4 framing: HCI packets on a byte stream, each with a one-byte type in front.
 * (Bluetooth Core specification, volume 4, part A.)
 */
/** H4 packet indicators. */
export const H4: Readonly<{
    COMMAND: 1;
    ACL: 2;
    SCO: 3;
    EVENT: 4;
    ISO: 5;
}>;
/** Cuts a byte stream into HCI packets. */
export class H4Parser {
    /**
     * @param {Buffer} chunk
     * @returns {Buffer[]} the packets completed by this chunk
     */
    push(chunk: Buffer): Buffer[];
    #private;
}
