/** The contract of the Kubernetes port against the API in memory that unit tests use. */
import { test } from 'uvu';
import { configmaps } from '#cloud/store/kube-api.ts';
import { MemoryKubeApi } from '#test/support/memory-kube-api.ts';
import { kubeApiContract } from '../../../contract/kube-api-contract.ts';

kubeApiContract({
  title: 'memory',
  open: (group) => {
    const api = new MemoryKubeApi();
    const namespace = 'contract';
    if (group === 'watch') api.put(configmaps, { metadata: { name: 'w0', namespace, labels: { w: 'y' } }, data: { a: '0' } });
    return Promise.resolve({ api, namespace, close: () => Promise.resolve() });
  },
  notApplicable: new Map([
    ['crds', 'it knows no definitions'],
    ['a namespace that is not there is NotFound, by its own name', 'it knows no namespaces'],
    ['a bookmark comes before a watch ends, and may be resumed from', 'its watches go on until they are stopped: time is virtual'],
    ['a watch ends quietly after its time', 'its watches go on until they are stopped: time is virtual'],
  ]),
});

test.run();
