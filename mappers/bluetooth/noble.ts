/** Owns what we use of noble, as types: its own leave out what is ours to end. */

export interface NobleCharacteristic extends NodeJS.EventEmitter {
  readonly uuid: string;
  readonly properties: readonly string[];
  read(): void;
  write(data: Buffer, withoutResponse: boolean): void;
  notify(on: boolean): void;
}

export interface NobleService extends NodeJS.EventEmitter {
  readonly uuid: string;
  discoverCharacteristics(uuids: readonly string[]): void;
}

export interface NoblePeripheral extends NodeJS.EventEmitter {
  /** The address without colons. */
  readonly id: string;
  readonly address: string;
  readonly connectable: boolean;
  readonly rssi: number;
  readonly mtu: number | null;
  readonly state: string;
  readonly advertisement: { readonly localName?: string; readonly serviceUuids?: readonly string[] };
  connect(): void;
  cancelConnect(): void;
  disconnect(): void;
  discoverServices(uuids: readonly string[]): void;
}

/** Names with an underscore are private to noble 1.9.2; the tests tell when an update changes them. */
export interface Noble extends NodeJS.EventEmitter {
  /** Reading it starts the instance, and throws when there is no adapter. */
  readonly state: string;
  startScanning(serviceUuids: readonly string[], allowDuplicates: boolean): void;
  stopScanning(): void;
  readonly _peripherals: Record<string, unknown>;
  readonly _services: Record<string, unknown>;
  readonly _characteristics: Record<string, unknown>;
  readonly _descriptors: Record<string, unknown>;
  readonly _bindings: NobleBindings;
}

export interface NobleBindings extends NodeJS.EventEmitter {
  onStateChange: (state: string) => void;
  readonly _addresses: Record<string, unknown>;
  readonly _addresseTypes: Record<string, unknown>;
  readonly _connectable: Record<string, unknown>;
  readonly scannable: Record<string, unknown>;
  /** Connection handle -> peripheral id, and back. */
  readonly _handles: Record<string, string | number>;
  readonly _gap: { readonly _discoveries: Record<string, unknown> };
  readonly _hci: NobleHci;
}

export interface NobleHci extends NodeJS.EventEmitter {
  _aclConnections: Map<number, { pending: number }>;
  onSocketData: (packet: Buffer) => void;
}

export type MakeNoble = (options: Readonly<Record<string, unknown>>) => Noble;
