/** Owns `hivelet validate`: YAML files checked before they are applied. */
import { formatFinding, validateYaml } from '#device-models/validate.ts';
import type { Severity } from '#device-models/problem.ts';
import { expectArgs, type Command } from './command.ts';
import { readTexts } from './device-files.ts';

export const command: Command = {
  usage: ['validate FILE|FOLDER|-...'],
  about: [
    'Checks Devices and DeviceModels of any generation without a cluster, as the admission of cloudcore does; models and devices may be in',
    'different files. Each finding is one line, file:line:column. "refused": can never work, the API does not take it. "condition": the API',
    'takes it with a warning, and the Device shows it as a condition until somebody acts. "warning": the API takes it with a warning; it works,',
    'though perhaps not as it was meant. Exit code 0 when all is taken, 1 when something is refused (--strict: at any finding), 2 wrong usage.',
  ],
  flags: {
    json: { type: 'boolean', help: 'findings as a JSON list' },
    strict: { type: 'boolean', help: 'exit code 1 at any finding' },
  },
  run({ args, flags, io }) {
    expectArgs(args, { least: 1, most: Infinity, what: 'name the files to check' });
    const { findings, devices, models } = validateYaml(readTexts(args));
    const refused = findings.filter(({ severity }) => severity === 'refuse').length;
    if (flags.has('json')) io.out(JSON.stringify(findings, undefined, 2));
    else {
      for (const finding of findings) io.out(formatFinding(finding));
      const count = (wanted: Severity): number => findings.filter(({ severity }) => severity === wanted).length;
      const [conditions, warnings] = [count('condition'), count('warn')];
      io.out(`${devices} devices and ${models} models checked: ${refused} refused, ${conditions} conditions, ${warnings} warnings`);
    }
    return Promise.resolve(refused > 0 || (flags.has('strict') && findings.length > 0) ? 1 : 0);
  },
};
