import type { EventEmitter } from 'node:events';
import type { ListenOptions, NetConnectOpts, Server } from 'node:net';
import type { HciSocketClass } from './noble-hook.js';
import type { VirtualController } from './virtual-hci.js';

export interface SocketOptions {
    /**
     * stop the whole thread that long at each connect, as the native addon does on Linux until the kernel has connected
     */
    blockConnectMs?: number;
}
export type { EventEmitter, HciSocketClass };
/** A socket class over controllers in this process; hci0 is the first one. */
export function localHciSocket(controllers: VirtualController[], options?: SocketOptions): HciSocketClass;
/** A socket class over a stream of H4 packets. */
export function streamHciSocket(target: NetConnectOpts, options?: SocketOptions): HciSocketClass;
/** A socket class that fails as the native one does. */
export function failingHciSocket(code: 'EAFNOSUPPORT' | 'ENODEV' | 'EPERM'): HciSocketClass;
/** Offers a controller to another process: hosts may connect one after the other, not at once. */
export function serveController(controller: VirtualController, listen: ListenOptions): Promise<{
    address: ReturnType<Server['address']>;
    close: () => Promise<void>;
}>;
