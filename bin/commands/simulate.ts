/** Owns `hivelet simulate`: devices to play with, each a process of its own, that behave as a model says and fail when they are told to. */
import { createLogger, formatJson, formatText, type Logger } from '#beehive/log.ts';
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { expectArgs, type Command, type FlagSpecs, type Invocation } from './command.ts';
import { readDeviceFiles } from './device-files.ts';
import { FAULT_WORDS, listenForFaults, mayRead } from './simulate/faults.ts';
import type { SimulatorKind } from './simulate/kind.ts';
import { kinds } from './simulate/kinds.ts';

const names = kinds.map(({ name }) => name);
const flags: FlagSpecs = {
  model: {
    type: 'string',
    multiple: true,
    value: 'FILE|FOLDER',
    help: 'YAML with Devices and their DeviceModels to play; may be repeated',
  },
  device: { type: 'string', multiple: true, value: 'NAME', help: 'of the Devices in the files, play this one; may be repeated' },
};

export const command: Command = {
  usage: kinds.map(({ usage }) => `simulate ${usage}`),
  about: [
    ...kinds.flatMap(({ about }) => about),
    '',
    'With --model, numbers that can only be read move within the minimum and maximum of the model (0 to 100 where it has none), and what is',
    'written is kept; what the model does not allow is refused as the protocol does it. While it runs, it obeys lines on standard input:',
    `  ${FAULT_WORDS.join(', ')}   (NAME: a property, or DEVICE/PROPERTY)`,
  ],
  flags: kinds.reduce((all, kind) => ({ ...all, ...kind.flags }), flags),
  async run(invocation) {
    const { args, signal } = invocation;
    expectArgs(args, { least: 1, most: 1, what: `write one of ${names.join(', ')}` });
    const kind = kinds.find(({ name }) => name === args[0]);
    if (kind === undefined) throw new HiveletError('USAGE', `there is no simulator ${args[0] ?? ''}: write one of ${names.join(', ')}`);
    const log = loggerOf(invocation);
    // The first start of an OPC UA server makes its certificate, which takes seconds.
    invocation.io.progress?.(`${kind.name} is starting`);
    const simulated = await kind.start({ ...invocation, log, profiles: profilesOf(kind, invocation, log) });
    const deaf = mayRead(process.stdin) ? listenForFaults(process.stdin, simulated, log) : () => undefined;
    try {
      log.info('simulator.ready', { device: kind.name, ...simulated.facts });
      if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      return 0;
    } finally {
      deaf();
      await simulated.close();
      log.info('simulator.stopped', { device: kind.name });
    }
  },
};

/** The Devices of --model that the simulator can play, or those of them that --device names. */
function profilesOf({ name, protocols }: SimulatorKind, { flags: given }: Invocation, log: Logger): DeviceProfile[] {
  const files = given.texts('model');
  const wanted = given.texts('device');
  if (files.length === 0) {
    if (wanted.length > 0) throw new HiveletError('USAGE', '--device chooses among the Devices of --model: name a file too');
    return [];
  }
  const { profiles, withoutModel, remarks } = readDeviceFiles(files);
  for (const remark of remarks) log.warn('simulator.model', { remark });
  const missing = wanted.find((each) => !profiles.some((profile) => profile.name === each));
  if (missing !== undefined) {
    const there = profiles.map((profile) => profile.name).join(', ');
    throw new HiveletError('USAGE', `--device ${missing} is not in the files: they have ${there}`);
  }
  const played = profiles.filter(
    (profile) => protocols.includes(profile.protocol) && (wanted.length === 0 || wanted.includes(profile.name)),
  );
  for (const { name: device } of played) {
    const missing = withoutModel.get(device);
    if (missing !== undefined) throw new HiveletError('NOT_FOUND', `${device}: ${missing}`);
  }
  if (played.length > 0) return played;
  const found = profiles.map((profile) => `${profile.name} (${profile.protocol})`).join(', ');
  throw new HiveletError('USAGE', `simulate ${name} plays devices of ${protocols.join(' and ')}; the files have ${found}`);
}

function loggerOf({ io, clock }: Invocation): Logger {
  const format = io.terminal ? formatText : formatJson;
  return createLogger({ clock, write: (line) => io.out(format(line)) });
}
