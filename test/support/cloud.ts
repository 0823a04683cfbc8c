/** Owns a cloud inside the test's process: API server, controllers, hub, on free ports of loopback. */
import { systemClock, type Clock } from '#beehive/clock.ts';
import { loadConfig } from '#beehive/config-file.ts';
import { createLogger, type LogLine } from '#beehive/log.ts';
import { startCloud, type Cloud } from '#cloud/cloudcore.ts';
import { cloudSchema } from '#cloud/config.ts';
import { initCloud, issueNodeCertificate, type NodeFiles } from '#cloud/pki/init.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { watchRequests } from './access-rules.ts';
import { connectFakeEdge, type FakeEdge, type FakeEdgeOptions } from './fake-edge.ts';
import { tempDir } from './temp-dir.ts';

export interface TestCloud {
  readonly cloud: Cloud;
  readonly dataDir: string;
  /** Of the embedded API's admin. */
  readonly kubeconfig: string;
  readonly api: KubeClient;
  readonly log: LogLine[];
  /** Joins a stand-in for an edge; its certificate is issued on the way. */
  edge(node: string, options?: Partial<FakeEdgeOptions>): Promise<FakeEdge>;
  certificate(node: string): Promise<NodeFiles>;
  close(): Promise<void>;
}

export interface TestCloudOptions {
  dataDir?: string;
  sets?: readonly string[];
  clock?: Clock;
  /** Other than `<data-dir>/kubeconfig`. */
  kubeconfig?: string;
}

export async function startTestCloud(options: TestCloudOptions = {}): Promise<TestCloud> {
  const { dataDir = tempDir(), sets = [], clock = systemClock } = options;
  const log: LogLine[] = [];
  const config = loadConfig(cloudSchema, {
    sets: [
      'modules.apiServer.listen=127.0.0.1:0',
      'modules.cloudHub.websocket.address=127.0.0.1',
      'modules.cloudHub.websocket.port=0',
      'modules.cloudHub.https.address=127.0.0.1',
      'modules.cloudHub.https.port=0',
      ...sets,
    ],
  });
  const logger = createLogger({ clock, level: 'debug', write: (line) => void log.push(line) });
  const requests = watchRequests();
  const cloud = await startCloud({ config, dataDir, clock, log: logger, version: 'test' });
  const kubeconfig = options.kubeconfig ?? `${dataDir}/kubeconfig`;
  const api = new KubeClient({ access: readKubeconfig(kubeconfig), clock: systemClock });
  const certificate = async (node: string): Promise<NodeFiles> => nodeCertificate(dataDir, node);
  const edges: FakeEdge[] = [];
  return {
    cloud,
    dataDir,
    kubeconfig,
    api,
    log,
    certificate,
    edge: async (node, more = {}) => {
      const edge = await connectFakeEdge({ port: cloud.hubPort, node, files: await certificate(node), ...more });
      edges.push(edge);
      return edge;
    },
    close: async () => {
      for (const edge of edges) edge.close();
      api.close();
      await cloud.stop();
      requests.end();
      if (requests.refused.size === 0) return;
      throw new Error(`cloudcore asked for what conf/kubernetes/rbac.yaml does not allow: ${[...requests.refused].join(' ')}`);
    },
  };
}

const issued = new Map<string, NodeFiles>();

/** A certificate of the authority in `dataDir` (made when missing), in a folder of its own: one machine may hold several nodes. */
export async function nodeCertificate(dataDir: string, node: string): Promise<NodeFiles> {
  const key = `${dataDir} ${node}`;
  const known = issued.get(key);
  if (known !== undefined) return known;
  await initCloud({ dataDir, advertise: [], clock: systemClock });
  const { files } = await issueNodeCertificate({ dataDir, node, clock: systemClock });
  const copies = await copiesOf(files);
  issued.set(key, copies);
  return copies;
}

async function copiesOf(files: NodeFiles): Promise<NodeFiles> {
  const { copyFile } = await import('node:fs/promises');
  const folder = tempDir();
  const copy = async (file: string, name: string): Promise<string> => {
    await copyFile(file, `${folder}/${name}`);
    return `${folder}/${name}`;
  };
  return {
    authority: await copy(files.authority, 'ca.crt'),
    certificate: await copy(files.certificate, 'node.crt'),
    key: await copy(files.key, 'node.key'),
  };
}
