/** Owns an API server that enforces access rules: the embedded one behind a gate that answers 403 to what they do not allow. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { allows, askedOf, readAccessRules, type AccessRule } from './access-rules.ts';
import { ADMIN_TOKEN, startApiServer, type TestApiServer } from './api-server.ts';
import { tempDir } from './temp-dir.ts';
import { writeFileSync } from 'node:fs';

export interface LimitedApi {
  /** For whoever has the rules only. */
  readonly kubeconfig: string;
  /** For an administrator. */
  readonly admin: TestApiServer;
  /** What was refused, as JSON, each once. */
  readonly refused: ReadonlySet<string>;
  close(): Promise<void>;
}

export async function startLimitedApi(rules: readonly AccessRule[] = readAccessRules()): Promise<LimitedApi> {
  const admin = await startApiServer();
  const refused = new Set<string>();
  const agent = new Agent({ ca: admin.ca, keepAlive: true });
  const gate = createServer((request, response) => {
    const asked = askedOf(request.method ?? '', request.url ?? '');
    if (asked === undefined || allows(rules, asked)) return pass(request, response, { url: admin.url, agent });
    refused.add(JSON.stringify(asked));
    const message = `may not ${asked.verb} ${asked.resource}`;
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Forbidden', message, code: 403 };
    response.writeHead(403, { 'Content-Type': 'application/json' });
    return void response.end(JSON.stringify(status));
  });
  await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve));
  const kubeconfig = path.join(tempDir(), 'limited-kubeconfig');
  const server = `http://127.0.0.1:${(gate.address() as AddressInfo).port}`;
  const named = { name: 'limited', cluster: { server }, context: { cluster: 'limited' } };
  writeFileSync(kubeconfig, JSON.stringify({ 'current-context': 'limited', clusters: [named], contexts: [named] }));
  return {
    kubeconfig,
    admin,
    refused,
    close: async () => {
      gate.closeAllConnections();
      await new Promise((resolve) => gate.close(resolve));
      agent.destroy();
      await admin.close();
    },
  };
}

function pass(request: IncomingMessage, response: ServerResponse, { url, agent }: { url: string; agent: Agent }): void {
  const { host, ...headers } = request.headers;
  void host;
  const onward = httpsRequest(`${url}${request.url ?? ''}`, {
    agent,
    method: request.method,
    headers: { ...headers, authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on('error', () => response.destroy());
  });
  onward.on('error', () => response.destroy());
  response.on('close', () => onward.destroy());
  request.pipe(onward);
}
