/** Owns `hivelet board`: the recognised board, and what to enable for attached devices. */
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { readYaml } from '#device-models/yaml-source.ts';
import { recogniseBoard, type Recognised } from '../../boards/board.ts';
import { dropInOf } from '../../boards/drop-in.ts';
import { boardNeeds, type BoardNeeds, type Need } from '../../boards/needs.ts';
import type { Command } from './command.ts';
import { readTexts, type FileText } from './device-files.ts';

export const command: Command = {
  usage: ['board [FILE|FOLDER|-...]', 'board --drop-in [FILE|FOLDER|-...]'],
  about: [
    'Says which board this is and what to enable for the devices in the given files, or for every kind of device when none is given.',
    'HIVELET_BOARD=ID takes another profile of boards/.',
  ],
  flags: {
    json: { type: 'boolean', help: 'the same as JSON' },
    'drop-in': { type: 'boolean', help: 'print the systemd drop-in for hivelet-edge.service: memory limit and groups' },
    root: { type: 'string', value: 'DIR', help: "look for the board's files below DIR (an image that is mounted there)" },
  },
  run({ args, flags, io, env }) {
    const root = flags.text('root') ?? '/';
    const recognised = recogniseBoard({ root, wanted: env['HIVELET_BOARD'] ?? '' });
    const devices = args.length === 0 ? undefined : readTexts(args).flatMap(readDevices);
    const needs = boardNeeds(recognised.board, devices, root);
    if (flags.has('drop-in')) io.out(dropInOf(recognised.board, needs.groups).trimEnd());
    else if (flags.has('json')) io.out(JSON.stringify({ ...recognised, ...needs }, undefined, 2));
    else for (const line of describe(recognised, needs)) io.out(line);
    return Promise.resolve(0);
  },
};

function readDevices({ file, text }: FileText): DeviceProfile[] {
  return readYaml(file, text).flatMap((document) => {
    const { content } = document;
    const [fault] = document.errors;
    if (fault !== undefined) throw new HiveletError('PROFILE_INVALID', `${file}:${fault.at.line}: this is no YAML: ${fault.message}`);
    if (content?.['kind'] !== 'Device') return [];
    const { profile } = readProfile(content, undefined);
    if (profile.name === '')
      throw new HiveletError('PROFILE_INVALID', `${file}:${document.locate('metadata').line}: metadata.name is missing: name the device`);
    return [profile];
  });
}

function describe({ board, model }: Recognised, { needs, ports, network, groups }: BoardNeeds): string[] {
  const serial = board.serialPorts.map((port) => `  ${port.path.padEnd(14)}${port.uart}`);
  const missing = needs.some(({ lines }) => lines.some(({ present }) => !present));
  return [
    `Board: ${board.name} (${board.id})${model === '' ? '' : `, recognised by "${model}"`}`,
    `Memory: budget ${board.memory.budgetMiB} MiB, limit ${board.memory.memoryMax}; node flags: ${board.nodeFlags.join(' ')}`,
    `Groups of the user that runs the edge: ${groups.join(', ')}`,
    'Serial ports:',
    ...serial,
    ...needs.flatMap((need) => ['', ...describeNeed(need, board.configFile)]),
    ...ports.map(({ path, device, present }) => `${device}: ${path} ${present ? 'is there' : 'is not there yet'}`),
    ...network.map((device) => `${device}: nothing to enable`),
    ...(missing && board.configFile !== '' ? ['', `After a change of ${board.configFile} the board has to be started again.`] : []),
  ];
}

function describeNeed({ attachment, devices, lines, note }: Need, configFile: string): string[] {
  const title = { dht11: 'DHT11/DHT22', uart: 'Modbus RTU on a UART', rs485: 'RS-485 on a UART', bluetooth: 'Bluetooth' }[attachment];
  const whom = devices.length === 0 ? '' : ` for ${devices.join(', ')}`;
  const where = lines.length === 0 ? '' : `: lines in ${configFile}`;
  return [
    `${title}${whom}${where}`,
    ...lines.map(({ text, present }) => `  ${text}${present ? '   (is there)' : ''}`),
    ...(note === '' ? [] : [`  ${note}`]),
    ...(attachment === 'bluetooth' ? ['  Its mapper needs rights that the edge must not have: README, "Attach a SensorTag".'] : []),
  ];
}
