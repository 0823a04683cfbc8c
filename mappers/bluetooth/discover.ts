/** Owns the search in the air: who advertises, and what each has. */
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { numberOf } from '#device-models/fields.ts';
import type { DiscoveryScope, FoundDevice, FoundProperty, PluginContext } from '../contract.ts';
import { connect } from './connect.ts';
import type { NoblePeripheral } from './noble.ts';
import { race } from './race.ts';
import { adapterDown, Radio } from './radio.ts';
import { KNOWN } from './sensor-tag.ts';
import { Session, type Characteristic } from './session.ts';
import { addressOf, uuidOf, uuidText } from './uuid.ts';

interface Scope {
  listenMs: number;
  address: string | undefined;
}

const LISTEN_S = 10;
const MOST_S = 300;
const ANSWER_MS = 3000;
/** Each is connected for some seconds. */
const MOST_DEVICES = 20;
/** What every device says of its own protocol stack. */
const STACK_SERVICES: ReadonlySet<string> = new Set(['1800', '1801'].map((uuid) => uuidOf(uuid, '')));

/** Listens, then connects to one after the other. Throws DEVICE_UNREACHABLE without an adapter, USAGE for a scope that is none. */
export async function* discover(
  where: DiscoveryScope,
  { hci, root, clock, log, signal }: PluginContext & { hci: string; root: string },
): AsyncGenerator<FoundDevice> {
  const scope = readScope(where);
  const down = new AbortController();
  const off = (): void => down.abort(adapterDown(hci));
  const radio = await Radio.start({ hci, root, clock, log }, { signal: AbortSignal.any([signal, down.signal]), off });
  try {
    log.info('discover.bluetooth', { listening: `${scope.listenMs / 1000} s` });
    const heard = await listen(radio, scope, { clock, signal });
    for (const [index, peripheral] of heard.entries()) {
      signal.throwIfAborted();
      log.info('discover.bluetooth', { at: peripheral.address });
      yield index < MOST_DEVICES && peripheral.connectable
        ? await look(peripheral, { radio, clock, signal })
        : described(
            peripheral,
            [],
            [peripheral.connectable ? 'one of too many: name its address to look into it' : 'it takes no connection'],
          );
    }
  } finally {
    radio.close('the search is over');
  }
}

function readScope(where: DiscoveryScope): Scope {
  const { seconds = String(LISTEN_S), address, ...others } = where;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new HiveletError('USAGE', `a search in the air knows no --${other}: it has --seconds and --address`);
  const listenS = numberOf(seconds);
  if (listenS === undefined || listenS <= 0 || listenS > MOST_S)
    throw new HiveletError('USAGE', `--seconds ${seconds} is no time to listen: write 1 to ${MOST_S}`);
  const wanted = address === undefined ? undefined : addressOf(address);
  if (address !== undefined && wanted === undefined)
    throw new HiveletError('USAGE', `--address ${address} is no address: write one such as a0:e6:f8:00:00:01`);
  return { listenMs: listenS * 1000, address: wanted };
}

/** The nearest first. */
async function listen(
  radio: Radio,
  { listenMs, address }: Scope,
  { clock, signal }: Pick<PluginContext, 'clock' | 'signal'>,
): Promise<NoblePeripheral[]> {
  const heard = new Map<string, NoblePeripheral>();
  const listening = race<void>({
    clock,
    ms: listenMs,
    late: () => new HiveletError('BUS_TIMEOUT', 'it was listened long enough'),
    signals: [signal, radio.ended],
    begin: ({ resolve }) => {
      radio.heard = (peripheral) => {
        if (address !== undefined && peripheral.address.toLowerCase() !== address) return;
        heard.set(peripheral.id, peripheral);
        // Names come with a second packet.
        if (address !== undefined && peripheral.advertisement.localName !== undefined) resolve();
      };
      radio.startScan(true);
      return () => undefined;
    },
  });
  await listening.catch((error: unknown) => {
    if (signal.aborted || radio.ended.aborted) throw error;
  });
  await radio.stopScan();
  return [...heard.values()].sort((a, b) => b.rssi - a.rssi);
}

async function look(
  peripheral: NoblePeripheral,
  { radio, clock, signal }: { radio: Radio } & Pick<PluginContext, 'clock' | 'signal'>,
): Promise<FoundDevice> {
  try {
    await connect(peripheral, { radio, clock, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    return described(peripheral, [], [messageOf(error)]);
  }
  const session = new Session({ radio, peripheral, clock, timeoutMs: ANSWER_MS, barred: new Map() });
  try {
    await session.discover();
    return described(peripheral, session.characteristics.flatMap(propertiesOf), []);
  } catch (error) {
    if (signal.aborted) throw error;
    return described(peripheral, [], [messageOf(error)]);
  } finally {
    await session.close('the search is over');
  }
}

function described(peripheral: NoblePeripheral, properties: readonly FoundProperty[], remarks: readonly string[]): FoundDevice {
  const { localName } = peripheral.advertisement;
  const address = peripheral.address.toLowerCase();
  const switches = properties.some(({ name }) => name.endsWith('-enable'));
  return {
    name: localName ?? `ble-${peripheral.id}`,
    protocol: { macAddress: address },
    properties,
    remarks: [
      `${localName ?? 'a device without a name'} at ${address}, heard with ${peripheral.rssi} dBm`,
      ...(switches ? ['its sensors measure only when they are switched on: set the properties *-enable to ON'] : []),
      ...remarks,
    ],
  };
}

function propertiesOf({ uuid, service, can }: Characteristic): FoundProperty[] {
  const known = KNOWN.filter((each) => uuidOf(each.uuid, '') === uuid);
  if (known.length > 0)
    return known.map(({ uuid: _uuid, visitor, ...property }) => ({
      ...property,
      visitor: { characteristicUUID: uuidText(uuid), ...visitor },
    }));
  if (STACK_SERVICES.has(service) || (!can.read && !can.notify)) return [];
  return [
    {
      name: `x-${uuidText(uuid)}`,
      type: 'bytes',
      accessMode: can.write || can.writeBlind ? 'ReadWrite' : 'ReadOnly',
      description: `characteristic ${uuidText(uuid)} of service ${uuidText(service)}`,
      visitor: { characteristicUUID: uuidText(uuid) },
    },
  ];
}
