/** Owns admission webhooks of tests: an HTTPS server that records what it is asked and answers as it is told. */
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { createAuthority, issueServer } from '#cloud/pki/certificates.ts';
import type { KubeObjectInput, ResourceType } from '#cloud/store/kube-api.ts';

export interface AskedReview {
  path: string;
  apiVersion: string;
  request: Record<string, unknown> & { uid: string; name: string; operation: string; object: unknown; oldObject: unknown };
}

export interface TestWebhook {
  readonly url: string;
  readonly port: number;
  /** Base64 of the PEM of its authority. */
  readonly caBundle: string;
  readonly asked: AskedReview[];
  /** Connections that were opened so far. */
  readonly connections: number;
  /** What it answers from now on: a response without uid, or a text with a status, or a function of the review. */
  answer: Reply | ((review: AskedReview) => Reply | Promise<Reply>);
  close(): Promise<void>;
}

export type Reply = { response: Record<string, unknown> } | { whole: unknown } | { status: number; text: string };

export const ALLOWED: Reply = { response: { allowed: true } };

export const webhookConfigurations: ResourceType = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  plural: 'validatingwebhookconfigurations',
  kind: 'ValidatingWebhookConfiguration',
  namespaced: false,
};

/** One webhook named `check.test.dev` in a configuration `check`, unless the parts say otherwise. */
export function webhookConfiguration(parts: Record<string, unknown>, name = 'check'): KubeObjectInput {
  const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['*'], resources: ['configmaps'] };
  return {
    metadata: { name },
    webhooks: [{ name: `${name}.test.dev`, rules: [rule], sideEffects: 'None', admissionReviewVersions: ['v1'], ...parts }],
  };
}

export async function startWebhook(options: { names?: readonly string[]; port?: number } = {}): Promise<TestWebhook> {
  const now = Date.now();
  const authority = await createAuthority(now);
  const addresses = ['127.0.0.1', 'localhost', ...(options.names ?? [])];
  const { certificate, key } = await issueServer(authority, { commonName: 'webhook', addresses, now });
  const asked: AskedReview[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer({ cert: certificate, key }, (request, response) => {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const review = { path: request.url ?? '', ...(JSON.parse(text) as Omit<AskedReview, 'path'>) };
      asked.push(review);
      void Promise.resolve(typeof hook.answer === 'function' ? hook.answer(review) : hook.answer).then((reply) => {
        if ('status' in reply) {
          response.writeHead(reply.status);
          return response.end(reply.text);
        }
        const { apiVersion } = review;
        const whole =
          'whole' in reply
            ? reply.whole
            : { kind: 'AdmissionReview', apiVersion, response: { uid: review.request.uid, ...reply.response } };
        response.writeHead(200, { 'Content-Type': 'application/json' });
        return response.end(JSON.stringify(whole));
      });
    });
  });
  server.on('secureConnection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hook: TestWebhook = {
    url: `https://127.0.0.1:${port}/check`,
    port,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    asked,
    get connections() {
      return connections;
    },
    answer: ALLOWED,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return hook;
}
