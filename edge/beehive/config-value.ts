/** Owns the check of one setting's value: type, range, choice, and the words for what is wrong. */
import type { Setting } from './config.ts';

export type Checked = { value: unknown } | { fault: string };

/** `fault` continues the sentence that begins with the path. */
export function checkSetting(setting: Setting, value: unknown): Checked {
  switch (setting.type) {
    case 'boolean':
      return typeof value === 'boolean' ? { value } : { fault: `must be true or false, not ${shown(value)}` };
    case 'int':
      return checkInt(setting, value);
    case 'string': {
      if (typeof value !== 'string') return { fault: 'must be a text' };
      return setting.oneOf === undefined || setting.oneOf.includes(value)
        ? { value }
        : { fault: `must be one of ${setting.oneOf.join(', ')}, not ${JSON.stringify(value)}` };
    }
    case 'strings':
      return checkStrings(setting, value);
    case 'map':
      return checkMap(value);
  }
}

function checkStrings({ item }: Setting, value: unknown): Checked {
  if (!Array.isArray(value)) return { fault: `must be a list of ${item?.form ?? 'texts'}` };
  const read = value.map((each: unknown) => (item === undefined ? each : item.read(each)));
  return read.every((text) => typeof text === 'string') ? { value: read } : { fault: `must be a list of ${item?.form ?? 'texts'}` };
}

function checkInt(setting: Setting, value: unknown): Checked {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return { fault: `must be a whole number, not ${shown(value)}` };
  if (setting.oneOf !== undefined && !setting.oneOf.includes(value)) {
    return { fault: `must be one of ${setting.oneOf.join(', ')}, not ${String(value)}` };
  }
  const fits = value >= (setting.min ?? -Infinity) && value <= (setting.max ?? Infinity);
  return fits ? { value } : { fault: `must be ${rangeText(setting)}, not ${String(value)}` };
}

/** A key without a value has the empty one, as in KubeEdge. */
function checkMap(value: unknown): Checked {
  const fault = { fault: 'must be a map of texts' };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fault;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [key, item ?? '']);
  return entries.every(([, item]) => typeof item === 'string') ? { value: Object.fromEntries(entries) } : fault;
}

function shown(value: unknown): string {
  return typeof value === 'object' ? 'a list or a map' : JSON.stringify(value);
}

function rangeText({ min, max, unit }: Setting): string {
  const tail = unit === undefined ? '' : ` ${unit}`;
  if (max === undefined) return `at least ${String(min)}${tail}`;
  return min === undefined ? `at most ${String(max)}${tail}` : `between ${String(min)} and ${String(max)}${tail}`;
}
