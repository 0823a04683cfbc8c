/** Owns reading traces of system calls: what was synced to disk before what was said on a socket. */

export interface Call {
  name: string;
  /** Path of a file, `socket:[...]` or `TCP:[...]`: what strace -y shows. */
  target: string;
  /** The rest of the arguments as printed. */
  args: string;
  /** Undefined while it had not returned. */
  result: number | undefined;
  /** Line numbers: where it began and where it returned. */
  began: number;
  returned: number;
}

const whole = /^(\d+)\s+(\w+)\((?:\d+<([^>]*)>)?(.*)\)\s+= (-?\d+|\?)/;
const begun = /^(\d+)\s+(\w+)\((?:\d+<([^>]*)>)?(.*) <unfinished \.\.\.>$/;
const resumed = /^(\d+)\s+<\.\.\. (\w+) resumed>.*\)\s+= (-?\d+|\?)/;

/** Reads the output of `strace -f -y`; calls of several threads may interleave. In order of their beginning. */
export function readTrace(text: string): Call[] {
  const calls: Call[] = [];
  const open = new Map<string, Call>();
  for (const [line, words] of text.split('\n').entries()) {
    const done = whole.exec(words);
    const start = done === null ? begun.exec(words) : null;
    const end = resumed.exec(words);
    const match = done ?? start;
    if (match !== null) {
      const [, thread = '', name = '', target = '', args = ''] = match;
      const call: Call = { name, target, args, result: undefined, began: line, returned: Infinity };
      if (done !== null) Object.assign(call, { result: Number(done[5]), returned: line });
      else open.set(`${thread} ${name}`, call);
      calls.push(call);
    } else if (end !== null) {
      const key = `${end[1] ?? ''} ${end[2] ?? ''}`;
      Object.assign(open.get(key) ?? {}, { result: Number(end[3]), returned: line });
      open.delete(key);
    }
  }
  return calls;
}

export interface Exchange {
  /** Texts (as strace prints them) that identify the request when it is read from a socket, and each answer when it is written. */
  request: string;
  answers: readonly (string | RegExp)[];
}

/**
 * Why the trace does not show that a request was stored before it was answered: between reading it and beginning to write an answer there must
 * be a write to the log file and, after that, a sync of it that returned 0. Undefined when it does.
 */
export function unsafeAnswer(calls: readonly Call[], log: RegExp, { request, answers }: Exchange): string | undefined {
  const isSocket = ({ target }: Call): boolean => /^(socket|TCP|TCPv6):/.test(target);
  const read = calls.find((call) => /^(read|recv)/.test(call.name) && isSocket(call) && call.args.includes(request));
  if (read === undefined) return `nobody read ${request}`;
  for (const answer of answers) {
    const said = calls.find((call) => call.began > read.returned && /^(write|send)/.test(call.name) && isSocket(call) && has(call, answer));
    if (said === undefined) return `nobody wrote ${String(answer)}`;
    const written = calls.find((call) => call.name.startsWith('pwrite') && log.test(call.target) && call.began > read.returned);
    if (written === undefined || written.returned > said.began) return `${String(answer)} was written before anything was logged`;
    const synced = calls.find(
      (call) => /^f(data)?sync$/.test(call.name) && log.test(call.target) && call.began > written.returned && call.returned < said.began,
    );
    if (synced === undefined) return `${String(answer)} was written before the log was synced`;
    if (synced.result !== 0) return `the sync before ${String(answer)} failed`;
  }
  return undefined;
}

function has({ args }: Call, text: string | RegExp): boolean {
  return typeof text === 'string' ? args.includes(text) : text.test(args);
}
