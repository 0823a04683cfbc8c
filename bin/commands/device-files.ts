/** Owns reading Devices and DeviceModels from YAML files, for commands that work without an API. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { HiveletError } from '#beehive/errors.ts';
import { reasonOf } from '#beehive/system-error.ts';
import type { DeviceProfile } from '#device-models/device-profile.ts';
import { fieldsOf, listOf, type Fields } from '#device-models/fields.ts';
import { readProfile } from '#device-models/read-profile.ts';
import { claimOf, modelKeyOf } from '#device-models/surroundings.ts';
import { readYaml } from '#device-models/yaml-source.ts';

export interface FileDevices {
  profiles: DeviceProfile[];
  /** Devices that nothing can be read of, as their DeviceModel is in none of the files: name -> the sentence. */
  withoutModel: Map<string, string>;
  /** What a person should know of them: `press-07: spec.x: is missing...`. */
  remarks: string[];
}

/**
 * All Devices of the files, each with its model wherever in them that is. Throws NOT_FOUND for a file that cannot be read and for files
 * without a Device, PROFILE_INVALID for what no API would take.
 */
export function readDeviceFiles(files: readonly string[]): FileDevices {
  const objects = readTexts(files).flatMap(readObjects);
  const models = new Map(objects.filter(({ kind }) => kind === 'DeviceModel').map(({ content }) => [keyOf(content), content]));
  const profiles: DeviceProfile[] = [];
  const withoutModel = new Map<string, string>();
  const remarks: string[] = [];
  for (const { file, content } of objects.filter(({ kind }) => kind === 'Device')) {
    const model = models.get(modelKeyOf(content) ?? '');
    const { profile, problems } = readProfile(content, model);
    const refused = problems.find(({ severity }) => severity === 'refuse');
    if (refused !== undefined)
      throw new HiveletError('PROFILE_INVALID', `${file}: ${refused.path}: ${refused.message}; \`hivelet validate\` shows all faults`);
    profiles.push(profile);
    if (model === undefined && profile.model !== '')
      withoutModel.set(profile.name, `its DeviceModel ${profile.model} is in none of the files: name its file too`);
    // Where it runs is of no matter here.
    const told = problems.filter(
      ({ severity, path, shownAs }) => severity === 'condition' && shownAs !== 'ModelMissing' && !/nodeSelector|nodeName/.test(path),
    );
    remarks.push(...told.map(({ path, message }) => `${profile.name}: ${path}: ${message}`));
  }
  if (profiles.length === 0) {
    const found = models.size === 0 ? 'no Device' : 'a DeviceModel but no Device';
    throw new HiveletError('NOT_FOUND', `${files.join(', ')}: there is ${found} in it: name the file of a Device too`);
  }
  return { profiles, withoutModel, remarks };
}

export interface FileText {
  file: string;
  text: string;
}

/** A folder stands for the YAML and JSON files in it, `-` for standard input. Throws NOT_FOUND. */
export function readTexts(names: readonly string[]): FileText[] {
  return names.flatMap((name) => {
    try {
      if (name === '-') return [{ file: '<stdin>', text: readFileSync(0, 'utf8') }];
      if (!statSync(name).isDirectory()) return [{ file: name, text: readFileSync(name, 'utf8') }];
      const files = readdirSync(name)
        .filter((file) => /\.(?:ya?ml|json)$/.test(file))
        .sort();
      return files.map((file) => ({ file: path.join(name, file), text: readFileSync(path.join(name, file), 'utf8') }));
    } catch (cause) {
      throw new HiveletError('NOT_FOUND', `cannot read ${name}: ${reasonOf(cause)}`, { cause });
    }
  });
}

interface FileObject {
  file: string;
  kind: string;
  content: Fields;
}

function readObjects({ file, text }: FileText): FileObject[] {
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
