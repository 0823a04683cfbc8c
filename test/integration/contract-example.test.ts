/** Proves that the plugin of docs/write-a-mapper.md does what the contract asks for. */
import { test } from 'uvu';
import { contractTest } from '#mappers/contract-test/index.ts';
import { thermometerHarness } from '#mappers/contract-test/example/harness.ts';

contractTest('thermometer', thermometerHarness, test);

test.run();
