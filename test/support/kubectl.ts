/** Owns the user's own kubectl in tests: one home and cache for each, with nothing but a kubeconfig. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { peerPath } from './peers.ts';
import { runProcess, spawnProcess, type Finished, type TestProcess } from './processes.ts';
import { tempDir } from './temp-dir.ts';

export interface Kubectl {
  /** A folder for files. */
  readonly home: string;
  /** Standard output of a command that succeeds. */
  run(...args: string[]): Promise<string>;
  /** The object as it is in the API. */
  shown(...what: string[]): Promise<ShownObject>;
  /** One field of it as text. */
  path(expression: string, ...what: string[]): Promise<string>;
  /** The same as `run`, with standard input. */
  pipe(input: string, ...args: string[]): Promise<string>;
  /** Whatever comes of it. */
  attempt(args: readonly string[], options?: { input?: string; env?: Record<string, string> }): Promise<Finished>;
  /** Standard error of a command that fails with `code` (1 when left out). */
  refused(args: readonly string[], options?: { code?: number; input?: string }): Promise<string>;
  /** Goes on until it is stopped. */
  spawn(...args: string[]): TestProcess;
  /** Writes a file in its home and answers the path. */
  file(name: string, content: string | object): string;
}

export interface ShownObject {
  metadata: { uid: string; resourceVersion: string; deletionTimestamp?: string };
  [field: string]: unknown;
}

export function createKubectl(kubeconfig: string): Kubectl {
  const home = tempDir();
  const environment = (more: Record<string, string> = {}) => ({
    command: peerPath('kubectl'),
    env: { HOME: home, KUBECACHEDIR: path.join(home, 'cache'), ...more },
  });
  const all = (args: readonly string[]): string[] => ['--kubeconfig', kubeconfig, ...args];
  const attempt: Kubectl['attempt'] = (args, { input, env } = {}) =>
    runProcess({ ...environment(env), args: all(args), ...(input === undefined ? {} : { input }) });
  const succeed = async (args: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await attempt(args, input === undefined ? {} : { input });
    assert.is(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  return {
    home,
    run: (...args) => succeed(args),
    shown: async (...what) => JSON.parse(await succeed(['get', ...what, '-o', 'json'])) as ShownObject,
    path: (expression, ...what) => succeed(['get', ...what, '-o', `jsonpath=${expression}`]),
    pipe: (input, ...args) => succeed(args, input),
    attempt,
    refused: async (args, { code: expected = 1, ...options } = {}) => {
      const { code, stdout, stderr } = await attempt(args, options);
      assert.is(code, expected, `kubectl ${args.join(' ')} ended with ${String(code)}: ${stdout}${stderr}`);
      return stderr;
    },
    spawn: (...args) => spawnProcess({ ...environment(), args: all(args) }),
    file: (name, content) => {
      const made = path.join(home, name);
      writeFileSync(made, typeof content === 'string' ? content : JSON.stringify(content));
      return made;
    },
  };
}
