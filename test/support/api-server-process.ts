/** A program of the tests: one embedded API server on the data directory that is its only argument, until it is killed. */
import { startApiServer } from './api-server.ts';

const api = await startApiServer({ dataDir: process.argv[2] ?? '' });
process.stdout.write(`${JSON.stringify({ url: api.url, ca: api.ca })}\n`);
