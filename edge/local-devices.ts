/** Owns devices without a cloud: Device and DeviceModel YAML in <data-dir>/edge/devices.d, read at start. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#beehive/errors.ts';
import type { Logger } from '#beehive/log.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { isRecord } from '#wire/message.ts';

export interface LocalDevice {
  id: string;
  twins: ReadonlyMap<string, string>;
  profile: DeviceProfile;
}

export interface LocalDevices {
  devices: LocalDevice[];
  /** Everything could be read: a device that is not here has no file any more. */
  whole: boolean;
}

type Place = { object: Record<string, unknown>; file: string };

/** A file that cannot be read costs its own devices only; each fault is logged with its place. */
export async function readLocalDevices(folder: string, log: Logger): Promise<LocalDevices> {
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /\.ya?ml$/.test(name))
        .sort()
    : [];
  if (files.length === 0) return { devices: [], whole: true };
  const { places, whole: allRead } = await readObjects(
    files.map((name) => join(folder, name)),
    log,
  );
  const { readProfile } = await import('#device-models/read-profile.ts');
  const models = new Map(places.filter(({ object }) => object['kind'] === 'DeviceModel').map(({ object }) => [nameOf(object), object]));
  const devices = new Map<string, LocalDevice>();
  let whole = allRead;
  for (const { object: device, file } of places.filter(({ object }) => object['kind'] === 'Device')) {
    const spec = isRecord(device['spec']) ? device['spec'] : {};
    const reference = isRecord(spec['deviceModelRef']) ? spec['deviceModelRef']['name'] : undefined;
    const { profile, problems } = readProfile(device, typeof reference === 'string' ? models.get(reference) : undefined);
    // Which node runs it is no question here.
    for (const { severity, path, message } of problems.filter((problem) => problem.path !== 'spec.nodeSelector'))
      log.warn('device.file.problem', { file, device: profile.name, severity, path, reason: message });
    if (devices.has(profile.name))
      log.warn('device.file.problem', {
        file,
        device: profile.name,
        severity: 'refuse',
        path: 'metadata.name',
        reason: 'another Device here has this name',
      });
    else if (problems.some(({ severity }) => severity === 'refuse')) whole = false;
    else devices.set(profile.name, { id: profile.name, twins: new Map(profile.properties.map(({ name, type }) => [name, type])), profile });
  }
  return { devices: [...devices.values()], whole };
}

async function readObjects(files: readonly string[], log: Logger): Promise<{ places: Place[]; whole: boolean }> {
  // Loaded for those who have such files only: it costs a board about 2 MB.
  const { parseAllDocuments } = await import('#beehive/yaml.ts');
  let whole = true;
  const places = files.flatMap((file) => {
    try {
      const documents = parseAllDocuments(readFileSync(file, 'utf8'));
      return documents.flatMap((document): Place[] => {
        const [fault] = document.errors;
        if (fault !== undefined) throw fault;
        const object: unknown = document.toJS();
        return isRecord(object) ? [{ object, file }] : [];
      });
    } catch (error) {
      whole = false;
      log.error('device.file.unreadable', { file, reason: messageOf(error) });
      return [];
    }
  });
  return { places, whole };
}

function nameOf(object: Record<string, unknown>): string {
  const name = isRecord(object['metadata']) ? object['metadata']['name'] : undefined;
  return typeof name === 'string' ? name : '';
}
