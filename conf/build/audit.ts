/** Owns `make audit`: asks the registry for known faults of the packages that are shipped; high and critical ones fail, a registry that tells none does not. */
import { execFile } from 'node:child_process';

export interface AuditVerdict {
  ok: boolean;
  lines: string[];
}

interface Found {
  name: string;
  severity: string;
  range: string;
  titles: string[];
}

const GRAVE: ReadonlySet<string> = new Set(['high', 'critical']);

/** `report` is what `npm audit --json` printed, whatever that is. Pure. */
export function judgeAudit(report: string): AuditVerdict {
  const parsed = readReport(report);
  if (typeof parsed === 'string') return { ok: true, lines: [`audit: not done, ${parsed}`] };
  const grave = parsed.filter(({ severity }) => GRAVE.has(severity));
  const counts = grave.length === 0 ? 'none is high or critical' : `${String(grave.length)} are high or critical`;
  const shown = parsed.map(({ name, severity, range, titles }) => `  ${severity} ${name} ${range} ${titles.join('; ')}`.trimEnd());
  return { ok: grave.length === 0, lines: [`audit: ${String(parsed.length)} packages with known faults, ${counts}`, ...shown] };
}

/** A sentence where the registry tells nothing. */
function readReport(report: string): Found[] | string {
  let json: unknown;
  try {
    json = JSON.parse(report);
  } catch {
    return 'npm printed no report';
  }
  const { vulnerabilities, message, statusCode } = (json ?? {}) as Record<string, unknown>;
  if (typeof vulnerabilities !== 'object' || vulnerabilities === null) {
    const code = typeof statusCode === 'number' ? ` (${String(statusCode)})` : '';
    return typeof message === 'string' ? `the registry offers none${code}` : 'npm printed no report';
  }
  return Object.entries(vulnerabilities).map(([name, value]) => {
    const { severity = '', range = '', via = [] } = value as { severity?: string; range?: string; via?: unknown[] };
    const titles = via.flatMap((each) => (typeof each === 'object' && each !== null && 'title' in each ? [String(each.title)] : []));
    return { name, severity, range, titles };
  });
}

if (process.argv[1] === import.meta.filename) {
  // Its exit code says that there is any fault at all, or that the registry does not answer.
  execFile('npm', ['audit', '--omit=dev', '--json'], { maxBuffer: 64 * 1024 * 1024 }, (_error, stdout) => {
    const { ok, lines } = judgeAudit(stdout);
    process.stdout.write(`${lines.join('\n')}\n`);
    process.exitCode = ok ? 0 : 1;
  });
}
