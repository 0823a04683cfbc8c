/** Owns reading a password: from a file, from a pipe, from a terminal that does not show it. Never from the command line, which others can see. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { HiveletError, messageOf } from '#beehive/errors.ts';

const LONGEST = 1024;

/** The first line of the file, of standard input for `-`; undefined when no file is named. Throws USAGE. */
export async function readPassword(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const password = file === '-' ? await readLine() : firstLine(await readText(file));
  if (password === '') throw new HiveletError('USAGE', 'the password is empty');
  if (Buffer.byteLength(password) > LONGEST) throw new HiveletError('USAGE', `the password is longer than ${String(LONGEST)} bytes`);
  return password;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new HiveletError('USAGE', `--password-file ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function firstLine(text: string): string {
  return /^[^\r\n]*/.exec(text)?.[0] ?? '';
}

function readLine(): Promise<string> {
  const { stdin, stderr } = process;
  if (stdin.isTTY) stderr.write('Password: ');
  // With an output of its own readline echoes nothing on the terminal.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: stdin.isTTY });
  return new Promise((resolve) => {
    lines.once('line', (line) => {
      resolve(firstLine(line));
      lines.close();
    });
    lines.once('close', () => {
      if (stdin.isTTY) stderr.write('\n');
      resolve('');
    });
  });
}
