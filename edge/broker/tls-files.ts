/** Owns the certificate files of the broker's TLS listeners. */
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { HiveletError, messageOf } from '#beehive/errors.ts';

export interface TlsFiles {
  /** The broker's own certificate (chain) and key, PEM. */
  certFile: string;
  keyFile: string;
  /** Authorities of client certificates, PEM; '' asks clients for none. */
  clientCaFile: string;
  minVersion: 'TLSv1.2' | 'TLSv1.3';
}

const SECTION = 'modules.eventBus.listenerTLS';

/** Throws CONFIG_INVALID that names the setting and the file. */
export function readTls(files: TlsFiles): SecureContextOptions {
  const options: SecureContextOptions = {
    cert: read(files.certFile, 'tlsCertFile'),
    key: read(files.keyFile, 'tlsPrivateKeyFile'),
    minVersion: files.minVersion,
    ...(files.clientCaFile === '' ? {} : { ca: read(files.clientCaFile, 'tlsClientCaFile') }),
  };
  try {
    createSecureContext(options);
  } catch (error) {
    throw new HiveletError(
      'CERTIFICATES_UNUSABLE',
      `${SECTION}: ${files.certFile} and ${files.keyFile} cannot be used together: ${messageOf(error)}`,
      { cause: error },
    );
  }
  return options;
}

/** Changes when one of the files does. */
export function stampOf({ certFile, keyFile, clientCaFile }: TlsFiles): string {
  return [certFile, keyFile, clientCaFile]
    .map((file) => {
      const stat = file === '' ? undefined : statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? '-' : `${String(stat.mtimeMs)} ${String(stat.size)} ${String(stat.ino)}`;
    })
    .join('|');
}

function read(path: string, key: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why =
      isMissing && key !== 'tlsClientCaFile'
        ? 'it is not there; make one with `hivelet mqtt certificate`, or name yours'
        : messageOf(error);
    throw new HiveletError('CONFIG_INVALID', `${SECTION}.${key}: cannot read ${JSON.stringify(path)}: ${why}`, {
      cause: error,
      facts: { key: `${SECTION}.${key}`, path },
    });
  }
}
