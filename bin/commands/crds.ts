/** Owns `hivelet crds`: the custom resource definitions as text, for a cluster. */
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { readDefinitions } from '#device-models/definitions.ts';
import { expectArgs, type Command } from './command.ts';

const FOLDER = path.join(import.meta.dirname, '../../device-models/crds');

export const command: Command = {
  usage: ['crds [-o yaml|json]'],
  about: [
    'Prints the definitions of Device, DeviceModel, ObjectSync, ClusterObjectSync, Rule and RuleEndpoint. An administrator of a cluster installs',
    'or updates them with `hivelet crds | kubectl apply -f -`; on the embedded API cloudcore does it by itself.',
  ],
  flags: { output: { type: 'string', short: 'o', value: 'FORMAT', help: 'yaml (default) or json, one List' } },
  run({ args, flags, io }) {
    expectArgs(args, { least: 0, most: 0, what: '`hivelet crds` takes flags only' });
    const format = flags.text('output') ?? 'yaml';
    if (format !== 'yaml' && format !== 'json') throw new HiveletError('USAGE', `-o ${format}: use yaml or json`);
    const definitions = readDefinitions(FOLDER);
    if (format === 'yaml') io.out(definitions.map(({ yaml }) => yaml.trimEnd()).join('\n---\n'));
    else io.out(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: definitions.map(({ object }) => object) }, undefined, 2));
    return Promise.resolve(0);
  },
};
