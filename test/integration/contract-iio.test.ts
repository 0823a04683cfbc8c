/** Proves that the IIO plugin does what the contract asks for, on files as the kernel shows them. */
import { test } from 'uvu';
import { contractTest } from '#mappers/contract-test/index.ts';
import { iioHarness } from '#test/simulators/contract-harnesses.ts';

contractTest('iio', iioHarness(), test);

test.run();
