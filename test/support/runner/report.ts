/** Owns what the runner prints: one line a file, a failing file's output, then skips, failures and the counts. */
import type { FileResult } from './test-process.ts';

const CI_SKIP_LIMIT = 5;
const OUTPUT_SHOWN = 40_000;

export interface Summary {
  /** The last line is `N passed, N failed, N skipped`. */
  lines: string[];
  ok: boolean;
}

/** `ok   test/unit/x.test.ts  12 passed  0.8 s`, followed by the output if the file failed. */
export function progressLines(result: FileResult): string[] {
  const { file, passed, failed, skipped, tookMs } = result;
  const counts = [`${String(passed)} passed`];
  if (failed > 0) counts.push(`${String(failed)} failed`);
  if (skipped > 0) counts.push(`${String(skipped)} skipped`);
  const line = `${failed > 0 ? 'FAIL' : 'ok  '} ${file.path}  ${counts.join(', ')}  ${(tookMs / 1000).toFixed(1)} s`;
  return failed === 0 ? [line] : [line, ...failures(result), indent(result.output.slice(-OUTPUT_SHOWN))];
}

export function summary(results: readonly FileResult[], options: { ci: boolean }): Summary {
  const sum = (pick: (result: FileResult) => number): number => results.reduce((total, result) => total + pick(result), 0);
  const [passed, failed, skipped] = [sum((r) => r.passed), sum((r) => r.failed), sum((r) => r.skipped)];
  const tooManySkips = options.ci && skipped > CI_SKIP_LIMIT;
  const lines = ['', ...results.flatMap(skips), ...results.flatMap(failures)];
  if (tooManySkips) lines.push(`FAIL ${String(skipped)} tests were skipped; in CI at most ${String(CI_SKIP_LIMIT)} may be`);
  const failedAll = failed + (tooManySkips ? 1 : 0);
  lines.push(`${String(passed)} passed, ${String(failedAll)} failed, ${String(skipped)} skipped`);
  return { lines, ok: failedAll === 0 && passed > 0 };
}

function skips(result: FileResult): string[] {
  return result.skips.map((skip) => `SKIP ${skip.name}: ${skip.reason}  (${result.file.path})`);
}

function failures(result: FileResult): string[] {
  return result.failures.map((name) => `FAIL ${result.file.path} > ${name}`);
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '     ');
}
