/** Owns how the OPC UA client comes into the process: on first use, quiet, with a sentence when it is not installed. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type * as Streams from 'node-opcua-binary-stream';
import type * as CertificateManagers from 'node-opcua-certificate-manager';
import type * as Client from 'node-opcua-client';
import type * as Debug from 'node-opcua-debug';
import type { Variant } from 'node-opcua-client';
import { HiveletError, isHiveletError, messageOf } from '#beehive/errors.ts';

export type Opcua = (typeof Client)['default'];
export type ClientCertificates = (typeof CertificateManagers)['default'];

type DebugModule = (typeof Debug)['default'];

export interface Engine {
  readonly opcua: Opcua;
  readonly certificates: ClientCertificates;
  /** A value as it is on the wire: its type and its bytes, little endian. */
  readonly bytesOf: (variant: Variant) => Uint8Array;
}

const PACKAGE = 'node-opcua-client';
const REMEDY = 'run npm install --include=optional in the folder of Hivelet';
const MISSING = `${PACKAGE} is not installed: ${REMEDY}`;

let loading: Promise<Engine> | undefined;

/** Rejects with PLUGIN_MISSING; tried again by the next one. It takes about a second and 60 MB. */
export function loadEngine(): Promise<Engine> {
  loading ??= new Promise((resolve) => resolve(load()));
  return loading.catch((error: unknown) => {
    loading = undefined;
    if (isHiveletError(error)) throw error;
    const [why = ''] = messageOf(error).split('\n');
    throw new HiveletError('PLUGIN_MISSING', `${PACKAGE} is installed in part only (${why}): ${REMEDY}`, { cause: error });
  });
}

/** Undefined when the package can be loaded, else the remedy. Loads nothing. */
export function engineMissing(): string | undefined {
  // Node is not asked: it never looks again for what it did not find.
  const folders = createRequire(import.meta.url).resolve.paths(PACKAGE) ?? [];
  return folders.some((folder) => existsSync(path.join(folder, PACKAGE, 'package.json'))) ? undefined : MISSING;
}

function load(): Engine {
  if (engineMissing() !== undefined) throw new HiveletError('PLUGIN_MISSING', MISSING);
  const ours = createRequire(import.meta.url);
  // Packages of the client's own, which need not lie where we can name them.
  const theirs = createRequire(ours.resolve(PACKAGE));
  silence(theirs('node-opcua-debug') as DebugModule);
  const { BinaryStream } = theirs('node-opcua-binary-stream') as (typeof Streams)['default'];
  return {
    opcua: ours(PACKAGE) as Opcua,
    certificates: theirs('node-opcua-certificate-manager') as ClientCertificates,
    bytesOf(variant) {
      const stream = new BinaryStream(variant.binaryStoreSize());
      variant.encode(stream);
      return stream.buffer;
    },
  };
}

/** It writes advice to standard output, where our own log lines go, from the moment it is loaded. */
export function silence({ setDebugLogger, setWarningLogger, setErrorLogger }: DebugModule): void {
  const quiet = (): void => undefined;
  setDebugLogger(quiet);
  setWarningLogger(quiet);
  setErrorLogger(quiet);
}
