/** Owns the text of conf/README.md: every setting and every error code, made from the tables that the programs use. */
import type { Setting } from '#beehive/config.ts';
import { catalogue } from '#beehive/errors.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

function rows(settings: readonly Setting[]): string {
  const line = ({ path, default: value, kubeedgeDefault, unit, doc, oneOf, min, max }: Setting): string => {
    const shown = value === '' ? '' : `\`${JSON.stringify(value)}\``;
    const kubeedge = kubeedgeDefault === undefined ? '' : ` (KubeEdge file: \`${JSON.stringify(kubeedgeDefault)}\`)`;
    const range =
      oneOf === undefined
        ? min === undefined && max === undefined
          ? ''
          : ` ${String(min ?? '')}..${String(max ?? '')}`
        : ` ${oneOf.join(', ')}`;
    return `| \`${path}\` | ${shown}${kubeedge} | ${[unit ?? '', range.trim()].filter((part) => part !== '').join('; ')} | ${cell(doc)} |`;
  };
  return ['| setting | default | unit; values | what |', '|---|---|---|---|', ...settings.map(line)].join('\n');
}

export function settingsPage(programs: readonly { title: string; settings: readonly Setting[]; unsupported: readonly string[] }[]): string {
  const parts = programs.map(
    ({ title, settings, unsupported }) =>
      `## ${title}\n\n${rows(settings)}\n\nTaken from KubeEdge files and ignored with one warning: ${unsupported.map((key) => `\`${key}\``).join(', ')}.\n`,
  );
  const errors = Object.entries(catalogue).map(([code, { retry, exit, text }]) => `| \`${code}\` | ${text} | ${retry} | ${String(exit)} |`);
  return `# Settings and errors

Made from the tables that the programs use; a test keeps it true (\`UPDATE=1 node --import tsx test/unit/conf/readme.test.ts\` writes it).
Files: \`edgecore.yaml\` and \`cloudcore.yaml\` beside this page; systemd units in \`systemd/\`.

${parts.join('\n')}
## Errors

| code | meaning | worth a retry | exit status |
|---|---|---|---|
${errors.join('\n')}
`;
}
