/** The contract of the Kubernetes port against the embedded engine, over HTTPS. */
import { test } from 'uvu';
import { DEFAULT_BOUNDS } from '#cloud/store/embedded/watch-window.ts';
import { configmaps, namespaces } from '#cloud/store/kube-api.ts';
import { kubeApiContract, type Group } from '../contract/kube-api-contract.ts';
import { startApiServer } from '../support/api-server.ts';

kubeApiContract({
  title: 'embedded',
  open: async (group: Group) => {
    // So few events are kept that the first versions are forgotten in time.
    const { client, close } = await startApiServer({ window: { ...DEFAULT_BOUNDS, events: 8 } });
    const namespace = 'contract';
    await client.create(namespaces, { metadata: { name: namespace } });
    if (group === 'watch') await client.create(configmaps, { metadata: { name: 'w0', namespace, labels: { w: 'y' } }, data: { a: '0' } });
    return { api: client, namespace, close };
  },
});

test.run();
