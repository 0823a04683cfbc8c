/**
 * Every noble instance made from now on uses this class. Call it before noble is first loaded.
 * @param {HciSocketClass} socketClass
 */
export function installHciSocket(socketClass: HciSocketClass): void;
/**
 * Ends a noble instance, which it has no method for: its HCI socket, its one-second poll of the
 * adapter, and its SIGINT listener. Relies on private names of @abandonware/noble 1.9.2.
 * @param {any} noble
 */
export function closeNoble(noble: unknown): void;
export type HciSocketClass = new () => import("node:events").EventEmitter;
