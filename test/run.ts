/** Owns `make test`: runs each test file in its own process and counts. Usage: node --import tsx test/run.ts [--unit] [--integration] [--security] [--e2e] [--jobs=N] [--timeout=SECONDS] [--live] [part of a path…] */
import path from 'node:path';
import { findTestFiles, kinds, type Kind, type TestFile } from './support/runner/test-files.ts';
import { progressLines, summary } from './support/runner/report.ts';
import { runTestFile, type FileResult } from './support/runner/test-process.ts';

const root = process.env.HIVELET_TEST_ROOT ?? path.join(import.meta.dirname, '..');

interface Options {
  kinds: Kind[];
  filters: string[];
  jobs: number;
  /** Replaces what the files say. */
  timeoutMs?: number;
  /** What the files print is shown as it comes, one file at a time, and nothing gets a second look. */
  live: boolean;
}

function parse(args: readonly string[]): Options | string {
  const options: Options = { kinds: [], filters: [], jobs: 2, live: false };
  for (const argument of args) {
    const kind = kinds.find((each) => argument === `--${each}`);
    const jobs = /^--jobs=([1-9]\d*)$/.exec(argument)?.[1];
    const timeout = /^--timeout=([1-9]\d*)$/.exec(argument)?.[1];
    if (kind !== undefined) options.kinds.push(kind);
    else if (timeout !== undefined) options.timeoutMs = Number(timeout) * 1000;
    else if (jobs !== undefined) options.jobs = Number(jobs);
    else if (argument === '--live') options.live = true;
    else if (argument.startsWith('-'))
      return `unknown option ${argument}; use --unit, --integration, --security, --e2e, --jobs=N, --timeout=SECONDS, --live or a part of a path`;
    else options.filters.push(path.isAbsolute(argument) ? path.relative(root, argument) : argument);
  }
  if (options.kinds.length === 0) options.kinds.push(...kinds);
  return options;
}

/** Files that may share the machine go first, `jobs` at a time; each of the others has it for itself. */
async function runAll(files: readonly TestFile[], { jobs, live }: Options, signal: AbortSignal): Promise<FileResult[]> {
  const results: FileResult[] = [];
  const drain = async (queue: TestFile[]): Promise<void> => {
    for (let file = queue.shift(); file !== undefined && !signal.aborted; file = queue.shift()) {
      const result = await runTestFile(root, file, live ? { signal, live: (chunk) => process.stdout.write(chunk) } : { signal });
      results.push(result);
      print(progressLines(result));
    }
  };
  for (const kind of kinds) {
    const shared = files.filter((file) => file.kind === kind && !file.alone);
    await Promise.all(Array.from({ length: live ? 1 : jobs }, () => drain(shared)));
    await drain(files.filter((file) => file.kind === kind && file.alone));
  }
  return results.sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file));
}

/** More than a few failures are no matter of a busy machine. */
const SECOND_LOOKS = 3;

/**
 * Files with real sockets and processes that failed get the machine for themselves once more; unit tests do not. What passes then is counted
 * as passed and named as unsteady, so that it is seen and mended; what fails again has failed.
 */
async function lookAgain(results: readonly FileResult[], signal: AbortSignal): Promise<FileResult[]> {
  const failed = results.filter((result) => result.failed > 0);
  if (failed.length > SECOND_LOOKS || failed.some(({ file }) => file.kind === 'unit')) return [...results];
  const looked: FileResult[] = [];
  for (const result of results) {
    const again = failed.includes(result) && !signal.aborted ? await runTestFile(root, result.file, { signal }) : result;
    if (again !== result)
      print([again.failed === 0 ? `UNSTEADY ${result.file.path}: failed at first, passed alone` : `again:`, ...progressLines(again)]);
    looked.push(again);
  }
  return looked;
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

const options = parse(process.argv.slice(2));
if (typeof options === 'string') {
  process.stderr.write(`${options}\n`);
  process.exit(2);
}
const { timeoutMs } = options;
const files = findTestFiles(root, options).map((file) => (timeoutMs === undefined ? file : { ...file, timeoutMs }));
if (files.length === 0) {
  process.stderr.write(`no test file matches ${options.filters.join(' ')} among ${options.kinds.join(', ')}\n`);
  process.exit(2);
}
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
const first = await runAll(files, options, interrupted.signal);
const results = options.live ? first : await lookAgain(first, interrupted.signal);
const { lines, ok } = summary(results, { ci: process.env.CI === 'true' });
print(lines);
process.exitCode = ok && !interrupted.signal.aborted ? 0 : 1;
