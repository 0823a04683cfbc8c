// timeout: 240s
/** Proves that the OPC UA plugin does what the contract asks for, against a server in another process. */
import path from 'node:path';
import { suite } from 'uvu';
import { contractTest, TcpRelay, type TestPoint } from '#mappers/contract-test/index.ts';
import { createOpcuaPlugin } from '#mappers/opcua/plugin.ts';
import { startOpcuaField } from '#test/simulators/opcua-field.ts';
import { tempDir } from '#test/support/temp-dir.ts';

const directory = tempDir();
const field = await startOpcuaField({ pkiDirectory: path.join(directory, 'server'), count: 1000, modes: ['None'], policies: ['None'] });

const node = (name: string): TestPoint => ({ name, type: 'double', visitor: { nodeID: `ns=2;s=${name}` } });

const contract = suite('contract');
contractTest(
  'opcua',
  {
    plugin: createOpcuaPlugin({
      pkiDirectory: path.join(directory, 'client'),
      secrets: { resolve: () => Promise.reject(new Error('no secret is needed')) },
    }),
    patienceMs: 10_000,
    async start() {
      const relay = new TcpRelay({ port: field.port });
      await relay.restore();
      return {
        link: { url: `opc.tcp://127.0.0.1:${relay.port}`, timeout: 1500 },
        points: (count) => Array.from({ length: count }, (_, index) => node(`value-${index}`)),
        bad: node('missing'),
        writable: { point: node('Double'), values: [20, 21.5] },
        refusing: { point: node('picky'), value: 1000 },
        ...relay.faults,
        stop: () => relay.cut(),
      };
    },
  },
  contract,
);
contract.after(() => field.stop());
contract.run();
