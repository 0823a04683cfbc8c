/** Owns how a device's block and its visitors name IIO sensors and their channels. */
import { HiveletError } from '#beehive/errors.ts';
import { field, fieldsAt, nameOf, type Fields } from '#device-models/fields.ts';

export interface IioLink {
  /** Text of the sensor's `name` or `label` file. */
  readonly name?: string;
  /** Its directory: absolute, or relative to bus/iio/devices. Wins over the name. */
  readonly path?: string;
}

export interface IioChannel {
  /** File names to try, in this order: `in_temp_input`, `in_temp_raw`. */
  readonly attributes: readonly string[];
}

/** Reads `{name | path}`. Throws PROFILE_INVALID. */
export function readIioLink(input: Fields, at: string): IioLink {
  const block = { ...fieldsAt(input, 'configData'), ...input };
  const name = nameOf(field(block, 'name')) ?? nameOf(field(block, 'device'));
  const path = nameOf(field(block, 'path'));
  if (path !== undefined && path.split('/').includes('..'))
    throw new HiveletError('PROFILE_INVALID', `${at}.path: ${path} must not contain ..`);
  if (name === undefined && path === undefined) {
    throw new HiveletError('PROFILE_INVALID', `${at}: neither name nor path is there; add the sensor's name, for instance name: dht11`);
  }
  return { ...(name === undefined ? {} : { name }), ...(path === undefined ? {} : { path }) };
}

const aliases: ReadonlyMap<string, string> = new Map([
  ['temperature', 'temp'],
  ['humidity', 'humidityrelative'],
]);

/** `channel` is a file (`in_temp_input`, `in_voltage0_raw`) or short (`temp`, `humidityrelative`, `voltage0`). Throws PROFILE_INVALID. */
export function readIioChannel(input: Fields, at: string, property: { name: string }): IioChannel {
  const written = nameOf(field(input, 'channel')) ?? property.name;
  const channel = aliases.get(written.toLowerCase()) ?? written;
  // The name becomes a part of a path.
  if (!/^[a-z][a-z0-9_-]{0,63}$/i.test(channel)) {
    throw new HiveletError(
      'PROFILE_INVALID',
      `${at}.channel: ${JSON.stringify(written)} is no channel: write one such as in_temp_input or temp`,
    );
  }
  if (/^in_.+_(?:input|raw)$/.test(channel)) return { attributes: [channel] };
  const stem = channel.startsWith('in_') ? channel : `in_${channel}`;
  return { attributes: [`${stem}_input`, `${stem}_raw`] };
}
