/** Owns what token and node have in common: the Kubernetes API by a kubeconfig, and the authority that boards check. */
import { readFileSync } from 'node:fs';
import { loadConfig } from '#beehive/config-file.ts';
import { HiveletError, messageOf } from '#beehive/errors.ts';
import { cloudSchema } from '../../../cloud/config.ts';
import { cloudFiles } from '../../../cloud/pki/init.ts';
import { KubeClient } from '../../../cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '../../../cloud/store/kubeconfig/file.ts';
import type { FlagSpecs, Invocation } from '../command.ts';
import { accessFlags, kubeconfigFile } from '../twins/access.ts';

export const clusterFlags: FlagSpecs = { kubeconfig: accessFlags['kubeconfig'] ?? { type: 'string', help: '' } };

const TIMEOUT_MS = 10_000;

/** Runs `work` on the API that the flags name. Throws CONFIG_INVALID, KUBE_API. */
export async function withApi<T>(invocation: Invocation, work: (api: KubeClient) => Promise<T>): Promise<T> {
  const file = kubeconfigFile(invocation);
  if (file === undefined) {
    throw new HiveletError(
      'CONFIG_INVALID',
      `there is no kubeconfig at ${invocation.dataDir}/kubeconfig: run this on the machine of the cloud, or name one with --kubeconfig`,
    );
  }
  const access = readKubeconfig(file);
  const api = new KubeClient({ access, clock: invocation.clock, userAgent: 'hivelet-cli', timeoutMs: TIMEOUT_MS });
  try {
    return await work(api);
  } catch (cause) {
    if (cause instanceof HiveletError) throw cause;
    throw new HiveletError('KUBE_API', `the Kubernetes API at ${access.server} did not do it: ${messageOf(cause)}`, { cause });
  } finally {
    api.close();
  }
}

/** PEM. Throws CONFIG_INVALID. */
export function readAuthority({ flags, dataDir }: Invocation): string {
  const config = loadConfig(cloudSchema, { file: flags.texts('config').at(-1), sets: flags.texts('set') });
  const file = config.get('modules.cloudHub.tlsCAFile') || cloudFiles(dataDir).authority.certificate;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const remedy =
      'run this where `hivelet init` ran, with the same --data-dir, or name the file with --set modules.cloudHub.tlsCAFile=FILE';
    throw new HiveletError('CONFIG_INVALID', `cannot read the authority's certificate: ${messageOf(cause)}; ${remedy}`, { cause });
  }
}
