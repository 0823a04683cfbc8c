/** The contract of the Kubernetes port against a real cluster: that of HIVELET_TEST_KUBECONFIG, in namespaces made for it and removed after it. */
import { randomBytes } from 'node:crypto';
import { test } from 'uvu';
import { systemClock } from '#beehive/clock.ts';
import { configmaps, namespaces } from '#cloud/store/kube-api.ts';
import { KubeClient } from '#cloud/store/kubeconfig/client.ts';
import { readKubeconfig } from '#cloud/store/kubeconfig/file.ts';
import { kubeApiContract, type Engine, type Group } from '../contract/kube-api-contract.ts';

const file = process.env['HIVELET_TEST_KUBECONFIG'] ?? '';

async function openCluster(group: Group): Promise<Engine> {
  const api = new KubeClient({ access: readKubeconfig(file), clock: systemClock });
  const namespace = `hivelet-contract-${randomBytes(4).toString('hex')}`;
  await api.create(namespaces, { metadata: { name: namespace } });
  if (group === 'watch') await api.create(configmaps, { metadata: { name: 'w0', namespace, labels: { w: 'y' } }, data: { a: '0' } });
  const close = async (): Promise<void> => {
    try {
      await api.delete(namespaces, { name: namespace });
    } finally {
      api.close();
    }
  };
  return { api, namespace, close };
}

if (file === '') {
  const reason = 'HIVELET_TEST_KUBECONFIG names no cluster';
  process.stdout.write(`SKIP the contract on a real cluster: ${reason}\n`);
  test.skip(`the contract on a real cluster (${reason})`, () => undefined);
} else {
  const ownThings = 'what is there belongs to others, and this kind is in no namespace';
  kubeApiContract({
    title: 'cluster',
    open: openCluster,
    notApplicable: new Map([
      ['nodes', ownThings],
      ['crds', ownThings],
      ['a watch without a version first tells what is there', 'objects that the cluster puts into a new namespace may come first'],
      ['a watch from a version that is forgotten is Expired', 'a cluster remembers for as long as it is set to'],
    ]),
  });
}

test.run();
