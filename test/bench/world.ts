/** Owns a whole installation under measurement: cloud, edge and one Modbus device, as the shipped programs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#beehive/clock.ts';
import { issueNodeCertificate } from '#cloud/pki/init.ts';
import { spawnProcess } from '#test/support/processes.ts';
import { freePorts } from '#test/support/ports.ts';
import { tempDir } from '#test/support/temp-dir.ts';
import { until } from '#test/support/until.ts';
import { devices, deviceModels, type KubeApi, type KubeObject } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { launcher, root, startEdge, type BenchEdge } from './programs.ts';
import { parseAllDocuments } from 'yaml';

export interface World {
  edge: BenchEdge;
  cloudPid: number;
  api: KubeApi;
  dataDir: string;
  stop(): Promise<void>;
}

export interface WorldOptions {
  thermostatPort: number;
  devices?: number;
  /** More settings of the edge. */
  sets?: readonly string[];
  /** Put before the launcher of the edge and of the cloud. */
  wrapper?: readonly string[];
  cloudWrapper?: readonly string[];
}

/** Resolves when the thermostat's temperature has reached the API. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const dataDir = tempDir();
  const [apiPort = 0, hubPort = 0, httpsPort = 0] = await freePorts(3);
  const sets = [
    `modules.apiServer.listen=127.0.0.1:${String(apiPort)}`,
    `modules.cloudHub.websocket.port=${String(hubPort)}`,
    `modules.cloudHub.https.port=${String(httpsPort)}`,
  ];
  const args = ['cloud', '--data-dir', dataDir, ...sets.flatMap((set) => ['--set', set])];
  const [command = launcher, ...rest] = [...(options.cloudWrapper ?? []), launcher, ...args];
  const cloud = spawnProcess({ command, args: rest });
  const ready = await cloud.line(/cloudcore\.ready/, { deadlineMs: 30_000 });
  await issueNodeCertificate({ dataDir, node: 'bench', clock: systemClock });
  const edge = await startEdge({
    dataDir,
    devices: options.devices ?? 0,
    sets: [`modules.edgeHub.websocket.server=127.0.0.1:${String(hubPort)}`, ...(options.sets ?? [])],
    wrapper: options.wrapper ?? [],
  });
  const api = new KubeClient({ access: readKubeconfig(join(dataDir, 'kubeconfig')), clock: systemClock });
  for (const object of sampleObjects(options.thermostatPort)) {
    await api.create(object.kind === 'Device' ? devices : deviceModels, object);
  }
  await until(
    async () =>
      JSON.stringify((await api.get(devices, { namespace: 'default', name: 'thermostat' }))['status'] ?? {}).includes('"temperature"'),
    {
      what: 'the temperature in the API',
      deadlineMs: 30_000,
      everyMs: 200,
    },
  );
  return {
    edge,
    cloudPid: Number(/"pid":(\d+)/.exec(ready)?.[1] ?? cloud.pid),
    api,
    dataDir,
    stop: async () => {
      api.close();
      await edge.stop();
      await cloud.stop();
    },
  };
}

/** The shipped pair, bound to the bench's node and the simulator's port. */
function sampleObjects(port: number): KubeObject[] {
  const files = ['modbus-thermostat-model.yaml', 'modbus-thermostat.yaml'].map((name) =>
    readFileSync(join(root, 'device-models/samples', name), 'utf8'),
  );
  const text = files.join('\n---\n').replaceAll('demo-board', 'bench').replaceAll('1502', String(port));
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}
