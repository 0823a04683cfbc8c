/** Owns finding and ending every process that a test file started, also those that left its process group. */
import { readdirSync, readFileSync } from 'node:fs';

/** Environment variable that all descendants of a test file inherit. */
export const MARK = 'HIVELET_TEST_FILE_ID';

export interface Found {
  pid: number;
  command: string;
}

/** Running processes whose environment carries the mark; only Linux can tell, elsewhere the list is empty. */
export function marked(id: string): Found[] {
  const needle = `${MARK}=${id}`;
  return processIds().flatMap((pid) => {
    const environment = readProc(pid, 'environ');
    if (environment === undefined || !environment.split('\0').includes(needle)) return [];
    const command = (readProc(pid, 'cmdline') ?? '').replaceAll('\0', ' ').trim();
    return command === '' || isZombie(pid) ? [] : [{ pid, command: command.slice(0, 160) }];
  });
}

/** Ends the process group and everything marked, for good. */
export function killAll(groupId: number, id: string): void {
  kill(-groupId);
  for (const { pid } of marked(id)) kill(pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readProc(pid, 'status') ?? '');
}

function readProc(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${String(pid)}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}
