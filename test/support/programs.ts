/** Owns the real programs in tests: `bin/hivelet cloud|api|edge` as processes on free ports, in one data directory. */
import { join } from 'node:path';
import { systemClock } from '#beehive/clock.ts';
import { issueNodeCertificate } from '#cloud/pki/init.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { freePorts } from './ports.ts';
import { spawnProcess, type TestProcess } from './processes.ts';

export const launcher = join(import.meta.dirname, '../../bin/hivelet');

export interface Site {
  readonly dataDir: string;
  readonly node: string;
  readonly ports: { api: number; hub: number; https: number; mqtt: number };
  cloud(): Promise<TestProcess>;
  api(): Promise<TestProcess>;
  /** `wrapper` is put before the launcher, for instance faketime or strace. */
  edge(options?: { wrapper?: readonly string[]; args?: readonly string[] }): Promise<TestProcess>;
  /** A client of the embedded API, with the admin's kubeconfig. */
  kube(): KubeClient;
}

/** Nothing is started yet. */
export async function createSite(dataDir: string, node = 'edge-1'): Promise<Site> {
  const [api = 0, hub = 0, https = 0, mqtt = 0] = await freePorts(4);
  const cloudSets = [
    `modules.apiServer.listen=127.0.0.1:${String(api)}`,
    `modules.cloudHub.websocket.port=${String(hub)}`,
    `modules.cloudHub.https.port=${String(https)}`,
  ];
  const edgeSets = [
    `modules.edged.hostnameOverride=${node}`,
    `modules.eventBus.mqttServerInternal=tcp://127.0.0.1:${String(mqtt)}`,
    `modules.edgeHub.websocket.server=127.0.0.1:${String(hub)}`,
  ];
  const start = async (options: { command: readonly string[]; sets: readonly string[]; ready: RegExp }): Promise<TestProcess> => {
    const [command = '', ...args] = [...options.command, '--data-dir', dataDir, ...options.sets.flatMap((set) => ['--set', set])];
    const process = spawnProcess({ command, args });
    await process.line(options.ready, { deadlineMs: 30_000 });
    return process;
  };
  return {
    dataDir,
    node,
    ports: { api, hub, https, mqtt },
    cloud: () => start({ command: [launcher, 'cloud'], sets: cloudSets, ready: /cloudcore\.ready/ }),
    api: () => start({ command: [launcher, 'api'], sets: cloudSets.slice(0, 1), ready: /api\.ready/ }),
    edge: async ({ wrapper = [], args = [] } = {}) => {
      await issueNodeCertificate({ dataDir, node, clock: systemClock });
      return start({ command: [...wrapper, launcher, 'edge', ...args], sets: edgeSets, ready: /edgecore\.ready/ });
    },
    kube: () => new KubeClient({ access: readKubeconfig(join(dataDir, 'kubeconfig')), clock: systemClock }),
  };
}
