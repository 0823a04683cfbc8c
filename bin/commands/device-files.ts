/** Owns reading Devices and DeviceModels from YAML files, for commands that work without an API. */
import { readFileSync } from 'node:fs';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsOf, listOf, type Fields } from '#device-models/fields.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { claimOf, modelKeyOf } from '#device-models/surroundings.ts';
import { readYaml } from '#device-models/yaml-source.ts';

export interface FileDevices {
  profiles: DeviceProfile[];
  /** What a person should know of them: `press-07: spec.x: is missing...`. */
  remarks: string[];
}

/**
 * All Devices of the files, each with its model wherever in them that is. Throws NOT_FOUND for a file that cannot be read and for files
 * without a Device, PROFILE_INVALID for what no API would take.
 */
export function readDeviceFiles(files: readonly string[]): FileDevices {
  const objects = files.flatMap(readObjects);
  const models = new Map(objects.filter(({ kind }) => kind === 'DeviceModel').map(({ content }) => [keyOf(content), content]));
  const profiles: DeviceProfile[] = [];
  const remarks: string[] = [];
  for (const { file, content } of objects.filter(({ kind }) => kind === 'Device')) {
    const { profile, problems } = readProfile(content, models.get(modelKeyOf(content) ?? ''));
    const refused = problems.find(({ severity }) => severity === 'refuse');
    if (refused !== undefined)
      throw new HiveletError('PROFILE_INVALID', `${file}: ${refused.path}: ${refused.message}; \`hivelet validate\` shows all faults`);
    profiles.push(profile);
    // Where it runs is of no matter here.
    const told = problems.filter(({ severity, path }) => severity === 'condition' && !/nodeSelector|nodeName/.test(path));
    remarks.push(...told.map(({ path, message }) => `${profile.name}: ${path}: ${message}`));
  }
  if (profiles.length === 0) {
    const found = models.size === 0 ? 'no Device' : 'a DeviceModel but no Device';
    throw new HiveletError('NOT_FOUND', `${files.join(', ')}: there is ${found} in it: name the file of a Device too`);
  }
  return { profiles, remarks };
}

interface FileObject {
  file: string;
  kind: string;
  content: Fields;
}

function readObjects(file: string): FileObject[] {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    throw new HiveletError('NOT_FOUND', `cannot read ${file}: ${messageOf(cause)}`, { cause });
  }
  return readYaml(file, text).flatMap(({ content, errors: [fault] }): FileObject[] => {
    if (fault !== undefined) throw new HiveletError('PROFILE_INVALID', `${file}:${fault.at.line}: this is no YAML: ${fault.message}`);
    if (content === undefined) return [];
    const items = String(content['kind']).endsWith('List') ? listOf(content['items']).map(fieldsOf) : [content];
    return items.flatMap((item) => (item === undefined ? [] : [{ file, kind: String(item['kind']), content: item }]));
  });
}

function keyOf(object: Fields): string {
  const { namespace, name } = claimOf(object, '');
  return `${namespace}/${name}`;
}
