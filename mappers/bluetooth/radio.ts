/** Owns one instance of noble for as long as its adapter stays on: made, watched, ended. noble keeps what it knew of links when an adapter goes down. */
import { setMaxListeners } from 'node:events';
import type { Clock } from '#beehive/clock.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import { ATT_CHANNEL, attErrorIn, type AttError } from './att-errors.ts';
import { machineFault } from './machine.ts';
import type { MakeNoble, Noble, NoblePeripheral } from './noble.ts';
import { race } from './race.ts';

export interface RadioOptions {
  /** '' for the machine's own adapter; else the path, or host:port, where a controller speaks H4. */
  hci: string;
  /** Where /sys and /proc of the machine are; '/' but in tests. */
  root: string;
  clock: Clock;
  log: Logger;
}

/** A dead link must not end the process: noble asks for it once more when it was cut in the midst of packets. */
class LinksOfController extends Map<number, { pending: number }> {
  override get(handle: number): { pending: number } {
    return super.get(handle) ?? { pending: 0 };
  }
}

const STOP_SCAN_MS = 500;

export class Radio {
  readonly #noble: Noble;
  readonly #end: () => void;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #refusals = new Map<string, (error: AttError) => void>();
  #scanning = false;
  /** Hears each advertiser of a scan. */
  heard: (peripheral: NoblePeripheral) => void = () => undefined;

  private constructor(noble: Noble, { clock, end }: { clock: Clock; end: () => void }) {
    this.#noble = noble;
    this.#end = end;
    this.#clock = clock;
    setMaxListeners(0, this.#ended.signal);
    noble.on('discover', (peripheral: NoblePeripheral) => this.heard(peripheral));
    noble.on('stateChange', (state: string) => {
      if (state !== 'poweredOn') this.close(reasonOf(state));
    });
    noble._bindings._hci.prependListener('aclDataPkt', (handle: number, channel: number, packet: Buffer) => {
      const error = channel === ATT_CHANNEL ? attErrorIn(packet) : undefined;
      if (error !== undefined) this.#refusals.get(String(noble._bindings._handles[handle]))?.(error);
    });
  }

  /** Resolves when the adapter is on, however long that takes. Throws DEVICE_UNREACHABLE when there is none, or no right to use it. */
  static async start({ hci, root, clock, log }: RadioOptions, { signal, off }: { signal: AbortSignal; off: () => void }): Promise<Radio> {
    const fault = hci === '' ? machineFault(root) : undefined;
    if (fault !== undefined) throw unusable(fault);
    const make = await loadNoble(hci);
    signal.throwIfAborted();
    const listeners = new Set(process.listeners('exit'));
    const noble = begin(make, log);
    // noble has no end, and each instance would leave its listener behind.
    const added = process.listeners('exit').filter((listener) => !listeners.has(listener));
    const { closeNoble } = await import('./sim/noble-hook.js');
    const end = (): void => {
      closeNoble(noble);
      noble.on('warning', () => undefined);
      for (const listener of added) process.removeListener('exit', listener);
    };
    try {
      await poweredOn(noble, { clock, signal, off });
      return new Radio(noble, { clock, end });
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Aborts when the adapter goes down or the radio is closed, with a DEVICE_UNREACHABLE. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Until `stopScan`. Other programs may end a scan of theirs, and ours with it: a scan is begun anew each time. */
  startScan(allowDuplicates: boolean): void {
    if (this.ended.aborted) return;
    this.#scanning = true;
    this.#noble.startScanning([], allowDuplicates);
  }

  /** Resolves when the controller said so, or soon after: many cannot connect while they scan. */
  async stopScan(): Promise<void> {
    if (!this.#scanning) return;
    this.#scanning = false;
    await race<void>({
      clock: this.#clock,
      ms: STOP_SCAN_MS,
      late: () => new HiveletError('BUS_TIMEOUT', 'the adapter does not say that it stopped scanning'),
      signals: [this.ended],
      begin: ({ resolve }) => {
        const onStop = (): void => resolve();
        this.#noble.on('scanStop', onStop);
        this.#noble.stopScanning();
        return () => this.#noble.removeListener('scanStop', onStop);
      },
    }).catch(() => undefined);
  }

  /** Tells of the requests that a connected peripheral refuses, which noble keeps to itself. */
  onRefusal(peripheral: NoblePeripheral, listener: ((error: AttError) => void) | undefined): void {
    if (listener === undefined) this.#refusals.delete(peripheral.id);
    else this.#refusals.set(peripheral.id, listener);
  }

  /** Forgets all advertisers but these: noble keeps each that it ever heard, and telephones change their address all day. */
  forgetOthers(keep: ReadonlySet<string>): void {
    const { _peripherals, _services, _characteristics, _descriptors, _bindings } = this.#noble;
    const { _addresses, _addresseTypes, _connectable, scannable, _gap } = _bindings;
    const known = [_peripherals, _services, _characteristics, _descriptors, _addresses, _addresseTypes, _connectable, scannable];
    for (const map of known) for (const id of Object.keys(map)) if (!keep.has(id)) delete map[id];
    for (const address of Object.keys(_gap._discoveries))
      if (!keep.has(address.replaceAll(':', '').toLowerCase())) delete _gap._discoveries[address];
  }

  /** Idempotent. */
  close(reason: string): void {
    if (this.ended.aborted) return;
    if (this.#scanning) this.#noble.stopScanning();
    this.#ended.abort(new HiveletError('DEVICE_UNREACHABLE', reason, { facts: { refused: true } }));
    this.#refusals.clear();
    this.#end();
  }
}

async function loadNoble(hci: string): Promise<MakeNoble> {
  if (hci !== '') {
    const [{ streamHciSocket }, { installHciSocket }] = await Promise.all([import('./sim/hci-socket.js'), import('./sim/noble-hook.js')]);
    const tcp = /^(.+):(\d+)$/.exec(hci);
    const target = tcp === null ? { path: hci } : { host: tcp[1] ?? '', port: Number(tcp[2]) };
    const make = await importNoble(() => installHciSocket(streamHciSocket(target)));
    return (options) => {
      installHciSocket(streamHciSocket(target));
      return make(options);
    };
  }
  return importNoble(() => undefined);
}

async function importNoble(prepare: () => void): Promise<MakeNoble> {
  prepare();
  try {
    return (await import('@abandonware/noble/with-custom-binding.js')).default;
  } catch (error) {
    throw missing(error);
  }
}

function missing(error: unknown): HiveletError {
  return new HiveletError(
    'PLUGIN_MISSING',
    `Bluetooth needs the package @abandonware/noble, which is not here: install it with \`npm install\` (${firstLine(error)})`,
    { cause: error },
  );
}

function begin(make: MakeNoble, log: Logger): Noble {
  try {
    const noble = make({});
    noble.on('warning', (message: string) => log.debug('bluetooth.noble.warning', { message }));
    sayNothing(noble);
    const hci = noble._bindings._hci;
    hci._aclConnections = new LinksOfController(hci._aclConnections);
    // What a stranger sends must not end the process, whatever noble makes of it.
    const take = hci.onSocketData.bind(hci);
    hci.onSocketData = (packet) => {
      try {
        take(packet);
      } catch (error) {
        log.debug('bluetooth.packet.invalid', { error });
      }
    };
    void noble.state;
    return noble;
  } catch (error) {
    throw failureOf(error);
  }
}

/** noble prints its advice for missing rights each time: ours is in the state of the devices. */
function sayNothing({ _bindings }: Noble): void {
  let last: string | undefined;
  _bindings.onStateChange = (state) => {
    if (state === last) return;
    last = state;
    _bindings.emit('stateChange', state);
  };
}

function failureOf(error: unknown): HiveletError {
  const { code } = error as { code?: unknown };
  const message = messageOf(error);
  const failure = [...FAILURES.keys()].find((name) => code === name || message.includes(name));
  return failure === undefined ? missing(error) : unusable(failure, error);
}

function unusable(failure: string, cause?: unknown): HiveletError {
  return new HiveletError('DEVICE_UNREACHABLE', FAILURES.get(failure) ?? failure, { cause, facts: { refused: true } });
}

const NO_RIGHT =
  'this process may not use the Bluetooth adapter: run it as root, or give it the capabilities CAP_NET_RAW and CAP_NET_ADMIN (README, "Attach a SensorTag")';

/** What each failure of the system means for a person. */
const FAILURES: ReadonlyMap<string, string> = new Map([
  [
    'EAFNOSUPPORT',
    'there is no Bluetooth in the kernel (`modprobe bluetooth`), or the service may not use it: run the mapper as a unit of its own (README, "Attach a SensorTag")',
  ],
  ['ENODEV', 'there is no Bluetooth adapter: plug one in, or enable it (`hivelet board` tells what this board needs)'],
  ['EPERM', NO_RIGHT],
  ['EACCES', NO_RIGHT],
]);

const DOWN =
  'the Bluetooth adapter is down: switch it on (`rfkill unblock bluetooth`, then `bluetoothctl power on` or `hciconfig hci0 up`)';

/** An adapter that is down is waited for: what those who do not wait are told. */
export function adapterDown(hci: string): HiveletError {
  const text =
    hci === ''
      ? DOWN
      : `the Bluetooth controller at ${hci} (modules.mapperHost.bluetooth.hci) is not there, or serves another program: start it`;
  return new HiveletError('DEVICE_UNREACHABLE', text, { facts: { refused: true } });
}

function reasonOf(state: string): string {
  switch (state) {
    case 'unauthorized':
      return NO_RIGHT;
    case 'unsupported':
      return 'the Bluetooth adapter has no Bluetooth LE: use one of version 4.0 or newer';
    default:
      return DOWN;
  }
}

/** How long a controller may take to say what it is. */
const START_MS = 3000;

interface Start {
  clock: Clock;
  signal: AbortSignal;
  off: () => void;
}

/** An adapter that is down is waited for; one that says nothing at all is given up. */
function poweredOn(noble: Noble, { clock, signal, off }: Start): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (outcome: () => void): void => {
      silent.cancel();
      noble.removeListener('stateChange', onState);
      signal.removeEventListener('abort', onAbort);
      outcome();
    };
    const fail = (reason: string): void => done(() => reject(new HiveletError('DEVICE_UNREACHABLE', reason, { facts: { refused: true } })));
    const onAbort = (): void => done(() => reject(signal.reason as Error));
    const onState = (state: string): void => {
      if (state === 'poweredOn') return done(resolve);
      if (state !== 'poweredOff') return fail(reasonOf(state));
      silent.cancel();
      off();
    };
    const silent = clock.timer(START_MS, () => fail('the Bluetooth adapter does not answer: restart it (`hciconfig hci0 reset`)'));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    noble.on('stateChange', onState);
    if (noble.state !== 'unknown') onState(noble.state);
  });
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
