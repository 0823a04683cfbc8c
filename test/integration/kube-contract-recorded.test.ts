/** The contract of the Kubernetes port against what a real API server answered: the recording is what the contract is measured by. */
import { test } from 'uvu';
import { kubeApiContract, type Group } from '../contract/kube-api-contract.ts';
import { openRecorded } from '../contract/recorded-server.ts';

/** The list from which the watches start was recorded elsewhere. */
const FILES: Readonly<Record<Group, readonly string[]>> = {
  configmaps: ['configmaps'],
  watch: ['configmaps/list', 'watch'],
  nodes: ['nodes'],
  crds: ['crds'],
};

kubeApiContract({
  title: 'recorded',
  open: (group) => openRecorded(FILES[group]),
  notApplicable: new Map([
    ['a list comes in pages of one state', 'no list with a limit was recorded'],
    [
      'a bookmark comes before a watch ends, and may be resumed from',
      'of the watch that was open for 12 s only the number of events was kept',
    ],
    ['the scale is read and replaced as a Scale', 'it was read once only, before it had replicas (500)'],
    ['the status is replaced by an update of the subresource', 'an update of a status was recorded of nodes only'],
    ['a strategic patch of a custom resource is refused', 'recorded of devices only; api-server-golden plays it'],
    ['an update of a custom resource without a version is refused', 'recorded of devices only; api-server-golden plays it'],
  ]),
});

test.run();
