/** Owns following uploads at the cloud: the HTTPS service of cloudcore, with the access of the kubeconfig. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import path from 'node:path';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { fieldsOf, numberOf, textOf } from '#device-models/fields.ts';
import type { KubeAccess } from '../../../cloud/store/kubeconfig/file.ts';
import type { UploadSeen } from './source.ts';

export interface CloudUploads {
  access: KubeAccess;
  /** `https://host:10002`. */
  hub: string;
  /** How many of the past are told first. */
  last: number;
}

/** Ends when `signal` aborts. Throws LINK_CLOSED or KUBE_API. */
export async function followUploads(
  { access, hub, last }: CloudUploads,
  seen: (upload: UploadSeen) => void,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(`/hivelet/uploads?follow=1&last=${last}`, hub);
  const response = await open(url, access, signal);
  if (response.statusCode !== 200) {
    response.resume();
    const remedy = response.statusCode === 401 ? 'use the kubeconfig of its admin' : 'name the HTTPS service of cloudcore with --hub';
    throw new HiveletError('KUBE_API', `${url.host} answered ${response.statusCode ?? 0} for uploads: ${remedy}`);
  }
  try {
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) seen(uploadOf(line));
  } catch (cause) {
    if (!signal.aborted) throw new HiveletError('LINK_CLOSED', `${url.host} was lost: ${messageOf(cause)}`, { cause });
  }
  if (!signal.aborted) throw new HiveletError('LINK_CLOSED', `${url.host} ended the stream of uploads`);
}

/** The default place of the HTTPS service: the host of the API, and the port that a cloudcore of this machine wrote down or KubeEdge's. */
export function hubOf(server: string, dataDir: string): string {
  return `https://${new URL(server).hostname}:${portWrittenDown(server, dataDir) ?? 10_002}`;
}

function portWrittenDown(server: string, dataDir: string): number | undefined {
  try {
    const places = fieldsOf(JSON.parse(readFileSync(path.join(dataDir, 'cloud', 'endpoints.json'), 'utf8')));
    return textOf(places?.['api']) === server ? numberOf(places?.['httpsPort']) : undefined;
  } catch {
    // No cloudcore ran with this data directory.
    return undefined;
  }
}

function open(url: URL, access: KubeAccess, signal: AbortSignal): Promise<IncomingMessage> {
  const { ca, token, cert, key, serverName, insecureSkipTlsVerify } = access;
  return new Promise((resolve, reject) => {
    const call = request(url, {
      signal,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token()}` },
      rejectUnauthorized: insecureSkipTlsVerify !== true,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    call.once('response', resolve);
    call.once('error', (cause) => {
      reject(
        signal.aborted
          ? cause
          : new HiveletError(
              'LINK_CLOSED',
              `${url.host} does not answer (${messageOf(cause)}): name the HTTPS service of cloudcore with --hub`,
              { cause },
            ),
      );
    });
    call.end();
  });
}

function uploadOf(line: string): UploadSeen {
  const fields = fieldsOf(JSON.parse(line));
  const atMs = Date.parse(textOf(fields?.['time']) ?? '');
  const seq = numberOf(fields?.['seq']);
  const base64 = textOf(fields?.['payload_base64']);
  return {
    ...(seq === undefined ? {} : { seq }),
    ...(Number.isNaN(atMs) ? {} : { atMs }),
    node: textOf(fields?.['node']) ?? '',
    topic: textOf(fields?.['topic']) ?? '',
    payload: base64 === undefined ? (textOf(fields?.['payload']) ?? '') : `base64:${base64}`,
  };
}
