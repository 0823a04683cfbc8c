// timeout: 120s
/** Proves that the Bluetooth plugin does what the contract asks for, with the real noble over a simulated controller. */
import { test } from 'uvu';
import { contractTest } from '#mappers/contract-test/index.ts';
import { bluetoothHarness } from '#test/simulators/ble-contract.ts';

contractTest('bluetooth', bluetoothHarness, test);

test.run();
