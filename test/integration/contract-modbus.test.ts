/** Proves that the Modbus plugin does what the contract asks for, on TCP and on a serial line. */
import { suite } from 'uvu';
import { contractTest } from '#mappers/contract-test/index.ts';
import { modbusRtuHarness, modbusTcpHarness } from '#test/simulators/contract-harnesses.ts';
import { needing } from '#test/support/peers.ts';

const tcp = suite('contract');
contractTest('modbus tcp', modbusTcpHarness, tcp);
tcp.run();

const line = suite('contract');
contractTest('modbus rtu', modbusRtuHarness, needing(line, 'socat'));
line.run();
