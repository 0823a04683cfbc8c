/** Owns an OPC UA server in a process of its own, for tests: nodes of every type, faults and restarts on demand. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { OpcuaServerOptions } from '#mappers/opcua/server.ts';
import type { SecurityModeName, SecurityPolicyName } from '#mappers/opcua/link.ts';
import { within } from '#test/support/until.ts';

/** Plain JSON: it crosses to the process. */
export interface FieldOptions {
  pkiDirectory: string;
  port?: number;
  /** Doubles `ns=2;s=value-0` and so on, which count up each `stepMs` when that is given. */
  count?: number;
  stepMs?: number;
  policies?: SecurityPolicyName[];
  modes?: SecurityModeName[];
  users?: Record<string, string>;
  anonymous?: boolean;
  trustsAll?: boolean;
  maxSubscriptions?: number;
  operationLimits?: OpcuaServerOptions['operationLimits'];
  certificate?: { hosts?: string[]; ips?: string[]; fromMs?: number; days?: number };
  /** Of `stepMs` only these are left after a restart: as a server with another program. */
  without?: string[];
}

export type FieldCommand =
  | { do: 'set'; name: string; value: number }
  | { do: 'fail'; name: string; status?: string }
  | { do: 'sessions' }
  | { do: 'written'; name: string };

export interface OpcuaField {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  ask(command: FieldCommand): Promise<unknown>;
  /** SIGKILL: as with the power cut. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const PROGRAM = fileURLToPath(new URL('opcua-field-process.ts', import.meta.url));
const START_MS = 60_000;
const running = new Set<ChildProcess>();
let watched = false;

export async function startOpcuaField(options: FieldOptions): Promise<OpcuaField> {
  if (!watched) process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));
  watched = true;
  const child = fork(PROGRAM, [JSON.stringify(options)], { execArgv: ['--import', 'tsx'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  const [ready] = (await within(once(child, 'message'), { what: 'the OPC UA server to be ready', deadlineMs: START_MS })) as [
    { port?: number; error?: string },
  ];
  if (ready.port === undefined) throw new Error(`the OPC UA server does not start: ${ready.error ?? ''}`);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await within(gone, { what: 'the end of the OPC UA server', deadlineMs: START_MS });
  };
  return {
    url: `opc.tcp://127.0.0.1:${ready.port}`,
    port: ready.port,
    pid: child.pid ?? 0,
    async ask(command) {
      const answer = once(child, 'message');
      child.send(command);
      const [told] = (await within(answer, { what: 'an answer of the OPC UA server' })) as [{ answer?: unknown }];
      return told.answer;
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}
