/** Owns `hivelet read`: what the real devices of YAML files answer, point by point, before anything is applied. */
import { HiveletError } from '#beehive/errors.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { nearestName } from '#device-models/nearest-name.ts';
import { expectArgs, type Command, type Io } from './command.ts';
import { readDeviceFiles } from './device-files.ts';
import { outputFlag, wantsJson, wholeFlag } from './mappers/output.ts';
import { openMappers } from './mappers/plugins.ts';
import { readPoints, type ReadLine } from './mappers/read-points.ts';
import { columns } from './twins/columns.ts';

const TIMEOUT_MS = 10_000;
const LONGEST_TIMEOUT_MS = 600_000;
/** Of the bytes that came, in the table. */
const BYTES_SHOWN = 16;
const NAMES_SHOWN = 20;

export const command: Command = {
  usage: ['read FILE|FOLDER|-... [--device NAME]... [--property NAME]... [-o json]'],
  about: [
    'Reads each point of the Devices in the files once from the real device, without an edge or a cloud: value, bytes as they came over the wire,',
    'the time that it took, or the error. The DeviceModels may be in the same or in other files. Nothing is written. A device that an edge on this',
    'machine serves over a serial line or Bluetooth is taken: stop that edge first. Exit code 1 when a point failed.',
  ],
  flags: {
    device: { type: 'string', multiple: true, value: 'NAME', help: 'only this Device; may be repeated' },
    property: { type: 'string', multiple: true, value: 'NAME', help: 'only this property; may be repeated' },
    timeout: { type: 'string', value: 'MS', help: 'for connecting and for each point (default 10000)' },
    ...outputFlag,
  },
  async run(invocation) {
    const { args, flags, io, signal } = invocation;
    expectArgs(args, { least: 1, most: Infinity, what: 'name the files with the Devices to read' });
    const json = wantsJson(flags);
    const timeoutMs = wholeFlag(flags, 'timeout', { usual: TIMEOUT_MS, most: LONGEST_TIMEOUT_MS });
    const mappers = openMappers(invocation);
    const { profiles, withoutModel, remarks } = readDeviceFiles(args);
    const wanted = flags.texts('device');
    const stray = wanted.find((name) => !profiles.some((profile) => profile.name === name));
    if (stray !== undefined)
      throw new HiveletError('NOT_FOUND', `no Device ${stray} is in the files: they have ${profiles.map(({ name }) => name).join(', ')}`);
    for (const remark of remarks) io.error(remark);
    const lines: ReadLine[] = [];
    const chosen = profiles.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
    const properties = flags.texts('property');
    expectProperties(properties, chosen);
    const options = { properties, timeoutMs, progress: (text: string) => io.progress?.(text) };
    for (const profile of chosen) {
      const error = withoutModel.get(profile.name);
      if (error !== undefined) lines.push({ device: profile.name, error });
      else for await (const line of readPoints(mappers, profile, options)) lines.push(line);
    }
    signal.throwIfAborted();
    print(lines, io, json);
    return lines.some(({ error }) => error !== undefined) ? 1 : 0;
  },
};

/** Throws NOT_FOUND for a name that none of the Devices has. */
function expectProperties(wanted: readonly string[], profiles: readonly DeviceProfile[]): void {
  const known = new Set(profiles.flatMap(({ properties }) => properties.map(({ name }) => name)));
  const stray = wanted.find((name) => !known.has(name));
  if (stray === undefined || known.size === 0) return;
  const near = nearestName(stray, [...known]);
  const remedy = near === undefined ? `there are ${[...known].slice(0, NAMES_SHOWN).join(', ')}` : `did you mean ${near}?`;
  throw new HiveletError('NOT_FOUND', `no property ${stray} is in the files: ${remedy}`);
}

function print(lines: readonly ReadLine[], io: Io, json: boolean): void {
  if (json) return io.out(JSON.stringify(lines, undefined, 2));
  const rows = lines.map(({ device, property, value, unit, raw, ms, error, note }) => [
    device,
    property ?? '-',
    value === undefined ? '-' : `${value}${unit === undefined ? '' : ` ${unit}`}`,
    rawText(raw),
    ms === undefined ? '-' : `${ms.toFixed(1)} ms`,
    error ?? note ?? '',
  ]);
  for (const line of columns(['DEVICE', 'PROPERTY', 'VALUE', 'RAW', 'TIME', 'ERROR'], rows)) io.out(line);
}

function rawText(raw: string | undefined): string {
  if (raw === undefined) return '-';
  const bytes = raw.match(/../g) ?? [];
  return `${bytes.slice(0, BYTES_SHOWN).join(' ')}${bytes.length > BYTES_SHOWN ? ` … (${bytes.length} bytes)` : ''}`;
}
