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

/** A file that cannot be read costs its own devices only; each fault is logged with its place. */
export async function readLocalDevices(folder: string, log: Logger): Promise<LocalDevice[]> {
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /\.ya?ml$/.test(name))
        .sort()
    : [];
  if (files.length === 0) return [];
  const objects = await readObjects(
    files.map((name) => join(folder, name)),
    log,
  );
  const { readProfile } = await import('#device-models/read-profile.ts');
  const models = new Map(objects.filter(({ kind }) => kind === 'DeviceModel').map((object) => [nameOf(object), object]));
  return objects
    .filter(({ kind }) => kind === 'Device')
    .flatMap((device) => {
      const spec = isRecord(device['spec']) ? device['spec'] : {};
      const reference = isRecord(spec['deviceModelRef']) ? spec['deviceModelRef']['name'] : undefined;
      const { profile, problems } = readProfile(device, typeof reference === 'string' ? models.get(reference) : undefined);
      for (const { severity, path, message } of problems)
        log.warn('device.file.problem', { device: profile.name, severity, path, reason: message });
      if (problems.some(({ severity }) => severity === 'refuse')) return [];
      return [{ id: profile.name, twins: new Map(profile.properties.map(({ name, type }) => [name, type])), profile }];
    });
}

async function readObjects(files: readonly string[], log: Logger): Promise<Record<string, unknown>[]> {
  // Loaded for those who have such files only: it costs a board about 2 MB.
  const { parseAllDocuments } = await import('#beehive/yaml.ts');
  return files.flatMap((file) => {
    try {
      const documents = parseAllDocuments(readFileSync(file, 'utf8'));
      return documents.flatMap((document) => {
        const [fault] = document.errors;
        if (fault !== undefined) throw fault;
        const object: unknown = document.toJS();
        return isRecord(object) ? [object] : [];
      });
    } catch (error) {
      log.error('device.file.unreadable', { file, reason: messageOf(error) });
      return [];
    }
  });
}

function nameOf(object: Record<string, unknown>): string {
  const name = isRecord(object['metadata']) ? object['metadata']['name'] : undefined;
  return typeof name === 'string' ? name : '';
}
