/** Owns how the program of the mapper processes is started: beside the bundle that runs, or from the sources. */
import { realpathSync } from 'node:fs';
import path from 'node:path';
import type { Program } from './child-process.ts';

/** Its own paths and flags, for tests. */
export interface Running {
  /** The file that node was started with. */
  readonly file: string | undefined;
  readonly flags: readonly string[];
  readonly node: string;
}

const ROOT = path.join(import.meta.dirname, '../..');
const THIS: Running = { file: process.argv[1], flags: process.execArgv, node: process.execPath };

/** With the flags of node that edgecore has: those of the board. */
export function mapperProgram({ file, flags, node }: Running = THIS): Program {
  const own = inherited(flags);
  const dist = path.join(ROOT, 'dist');
  if (file !== undefined && path.dirname(realOf(file)) === realOf(dist))
    return { command: node, args: [...own, path.join(dist, 'mapper.js')], cwd: ROOT };
  const loader = own.some((flag) => flag.includes('tsx')) ? [] : ['--import', 'tsx'];
  return { command: node, args: [...own, ...loader, path.join(ROOT, 'mappers/main.ts')], cwd: ROOT };
}

/** Not those that open a port, write a file or name another program. */
function inherited(flags: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < flags.length; at++) {
    const flag = flags[at] ?? '';
    if (/^(?:-e|-p|-pe|--eval|--print)$/.test(flag)) at++;
    else if (!/^--(?:inspect|debug|cpu-prof|heap-prof|heapsnapshot|prof|trace|watch|test|input-type|eval|print)/.test(flag))
      kept.push(flag);
  }
  return kept;
}

function realOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}
