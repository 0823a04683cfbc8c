/** Owns the plant of one OPC UA server with a node for each device: cut off, hanging, slow, restarted, with nodes that refuse. */
import { TcpRelay } from '#mappers/contract-test/relay.ts';
import { startOpcuaServer, type RunningServer, type ServedNode } from '#mappers/opcua/server.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { deviceObject, modelObject, type Plant, type PlantDevice, type PlantFault, type PlantOptions } from './plant.ts';

const MODEL = 'opcua-plant';
const PROPERTY = 'level';
const SLOW_MS = 400;

interface Place {
  value: number;
  /** Status that reads and writes are answered with. */
  trouble: string | undefined;
}

export async function startOpcuaPlant({ node, devices, cycleMs }: PlantOptions): Promise<Plant> {
  const places: Place[] = Array.from({ length: devices }, () => ({ value: 0, trouble: undefined }));
  const idOf = (index: number): string => `ns=1;s=Level${index}`;
  const nodes = places.map((place, index): ServedNode => ({
    nodeId: idOf(index),
    path: [{ name: 'Plant' }, { name: `Level${index}` }],
    dataType: 'Int32',
    get: () => (place.trouble === undefined ? { value: place.value } : { status: place.trouble }),
    set: (value) => {
      if (place.trouble === undefined) place.value = Number(value);
      return place.trouble ?? 'Good';
    },
  }));
  const pkiDirectory = tempDir();
  const start = (port: number): Promise<RunningServer> =>
    startOpcuaServer({ nodes, pkiDirectory, port, policies: ['None'], modes: ['None'] });
  let server = await start(0);
  const { port } = server;
  const relay = new TcpRelay({ port });
  await relay.restore();
  const nameOf = (index: number): string => `opcua-${index}`;
  const restart: PlantFault = {
    name: 'the OPC UA server is restarted',
    begin: async () => {
      await server.close();
      return async () => void (server = await start(port));
    },
  };
  return {
    protocol: 'opcua',
    sets: [],
    model: modelObject(MODEL, PROPERTY, { int: { accessMode: 'ReadWrite' } }),
    objects: places.map((_, index) =>
      deviceObject({
        name: nameOf(index),
        model: MODEL,
        node,
        property: PROPERTY,
        cycleMs,
        protocol: { opcua: { url: `opc.tcp://127.0.0.1:${relay.port}` } },
        visitor: { opcua: { nodeID: idOf(index) } },
      }),
    ),
    devices: places.map((place, index): PlantDevice => ({
      name: nameOf(index),
      property: PROPERTY,
      text: (n) => String(n),
      held: () => String(place.value),
    })),
    faults: [...faultsOf(relay), restart, ...places.map((place, index) => troubled(place, nameOf(index)))],
    stop: async () => {
      await relay.cut();
      await server.close();
    },
  };
}

function faultsOf(relay: TcpRelay): PlantFault[] {
  return [
    {
      name: 'the OPC UA server is cut off',
      begin: async () => {
        await relay.cut();
        return () => relay.restore();
      },
    },
    {
      name: 'the OPC UA server hangs',
      begin: async () => {
        await relay.silence();
        return () => relay.speak();
      },
    },
    {
      name: 'the OPC UA server is slow',
      begin: async () => {
        await relay.slow(SLOW_MS);
        return () => relay.slow(0);
      },
    },
  ];
}

/** A passing one: writes are tried again. */
function troubled(place: Place, name: string): PlantFault {
  return {
    name: `${name} has no communication`,
    begin: async () => {
      place.trouble = 'BadNoCommunication';
      return async () => void (place.trouble = undefined);
    },
  };
}
