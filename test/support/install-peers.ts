/** Owns the step of `make test` that installs missing peers, once, before the run. */
import { ensurePeers } from './peers.ts';

for (const line of ensurePeers()) process.stdout.write(`${line}\n`);
