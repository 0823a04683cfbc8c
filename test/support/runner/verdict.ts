/** Owns the judgement of one test file: from how its process ended and what it printed to passed, failed and skipped. */

export interface Ending {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Why the runner ended it, if it did. */
  killedFor?: string;
  /** Command lines of processes that it left running. */
  leftBehind: readonly string[];
  output: string;
}

export interface Skip {
  name: string;
  reason: string;
}

export interface Verdict {
  passed: number;
  failed: number;
  skipped: number;
  /** Names of failed tests, or what is wrong with the file as a whole. */
  failures: string[];
  skips: Skip[];
}

/** uvu alone is too kind: it exits 0 when nothing ran and when a `before` hook threw. */
export function judge(ending: Ending): Verdict {
  const total = lastCount(ending.output, 'Total');
  const passed = lastCount(ending.output, 'Passed') ?? 0;
  const skipped = lastCount(ending.output, 'Skipped') ?? 0;
  const skips = skipLines(ending.output);
  const named = failedNames(ending.output);
  const broken = brokenFile(ending, { total, passed, skipped, skips: skips.length, named: named.length });
  const failures = [...named, ...broken];
  const failedTests = Math.max(named.length, (total ?? 0) - passed);
  return { passed, failed: Math.max(failedTests, failures.length), skipped, failures, skips };
}

interface Counts {
  total: number | undefined;
  passed: number;
  skipped: number;
  skips: number;
  named: number;
}

/** Faults that belong to the file and to none of its tests. */
function brokenFile(ending: Ending, counts: Counts): string[] {
  const faults: string[] = [];
  if (ending.killedFor !== undefined) faults.push(ending.killedFor);
  else if (ending.signal !== null) faults.push(`ended by ${ending.signal}`);
  else if (counts.total === undefined && ending.code !== 0)
    faults.push(`ended with exit code ${String(ending.code)} before its tests had finished`);
  else if ((counts.total ?? 0) + counts.skipped === 0) faults.push('has no tests: is test.run() missing?');
  else if (ending.code !== 0 && counts.passed === counts.total)
    faults.push(`ended with exit code ${String(ending.code)} though its tests passed`);
  if ((counts.total ?? 0) > counts.passed + counts.named && counts.named === 0) faults.push('a before or after hook failed');
  if (counts.skipped > counts.skips) faults.push('skips a test without a printed line "SKIP <name>: <reason>"');
  if (ending.leftBehind.length > 0) faults.push(`left running: ${ending.leftBehind.join(' | ')}`);
  return faults;
}

function lastCount(output: string, label: 'Total' | 'Passed' | 'Skipped'): number | undefined {
  const found = [...output.matchAll(new RegExp(`^ {2}${label}: +(\\d+)\\s*$`, 'gm'))].at(-1)?.[1];
  return found === undefined ? undefined : Number(found);
}

function failedNames(output: string): string[] {
  return [...output.matchAll(/^ {3}FAIL {2}"(.*)"\s*$/gm)].map((match) => match[1] ?? '');
}

/** uvu prints its bullets without a line end, so a SKIP line may begin behind some. */
function skipLines(output: string): Skip[] {
  return [...output.matchAll(/^[•✘ \t]*SKIP (.+?): (.+)$/gm)].map((match) => ({ name: match[1] ?? '', reason: (match[2] ?? '').trim() }));
}
