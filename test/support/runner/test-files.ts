/** Owns which files are tests, of what kind, and what each states about its own run in its leading comment. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const kinds = ['unit', 'integration', 'security', 'e2e'] as const;
export type Kind = (typeof kinds)[number];

export interface TestFile {
  /** Relative to the repository, with forward slashes. */
  path: string;
  kind: Kind;
  timeoutMs: number;
  /** Nothing else runs beside it: every e2e file, and any other that says `// quiet: <why>`. */
  alone: boolean;
}

const DEFAULT_TIMEOUT_MS = 120_000;
const unitMs: Record<string, number> = { ms: 1, s: 1000, min: 60_000 };

/**
 * All `*.test.ts` below `test/unit`, `test/integration`, `test/security`, `test/e2e` whose path contains one of `filters` (all of them when there is none).
 * Folders named `fixtures` are left out. Sorted by kind, then by path.
 */
export function findTestFiles(root: string, options: { kinds: readonly Kind[]; filters: readonly string[] }): TestFile[] {
  return options.kinds.flatMap((kind) =>
    listTests(root, `test/${kind}`)
      .filter((file) => options.filters.length === 0 || options.filters.some((filter) => file.includes(filter.replace(/^\.\//, ''))))
      .map((file) => describeTest(file, kind, readFileSync(path.join(root, file), 'utf8'))),
  );
}

/** Reads `timeout:` (`300s`, `2min`, `1500ms`) and `quiet:` from the comments that open a file. */
export function describeTest(file: string, kind: Kind, source: string): TestFile {
  const opening = leadingComments(source);
  const timeout = /\btimeout:\s*(\d+)\s*(ms|s|min)\b/.exec(opening);
  const timeoutMs = timeout === null ? DEFAULT_TIMEOUT_MS : Number(timeout[1]) * (unitMs[timeout[2] ?? 's'] ?? 1000);
  return { path: file, kind, timeoutMs, alone: kind === 'e2e' || /\bquiet:\s*\S/.test(opening) };
}

function leadingComments(source: string): string {
  return /^(?:\s*(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/))*/.exec(source)?.[0] ?? '';
}

function listTests(root: string, folder: string): string[] {
  let entries;
  try {
    entries = readdirSync(path.join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return entry.name === 'fixtures' ? [] : listTests(root, file);
      return entry.name.endsWith('.test.ts') ? [file] : [];
    });
}
