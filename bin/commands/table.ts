/** Owns the list of commands: what the help shows, and how each is loaded. */
import type { Command } from './command.ts';

export interface Entry {
  name: string;
  summary: string;
  /** Absent: the launcher starts a program of its own, which parses its own flags. */
  load?: () => Promise<{ command: Command }>;
  /** Works, but is not for the list. */
  hidden?: true;
}

export const commands: readonly Entry[] = [
  { name: 'up', summary: 'cloud and edge on this machine', load: () => import('./up.ts') },
  { name: 'cloud', summary: 'the cloud side alone: API server, hub, controllers' },
  { name: 'edge', summary: 'the edge alone: devices, twins, MQTT' },
  { name: 'mapper', summary: 'one mapper plugin in a process of its own; systemd runs this', hidden: true },
  { name: 'api', summary: 'the embedded Kubernetes API server alone' },
  { name: 'init', summary: "make the authority, the cloud's certificates and the admin's kubeconfig", load: () => import('./init.ts') },
  { name: 'token', summary: 'make, show and revoke the tokens with which boards join', load: () => import('./token.ts') },
  { name: 'join', summary: 'make this board a node of a cloud', load: () => import('./join.ts') },
  { name: 'reset', summary: 'undo a join', load: () => import('./reset.ts') },
  { name: 'node', summary: 'which nodes have which certificates; revoke them', load: () => import('./node.ts') },
  { name: 'ca', summary: 'replace the authority while the fleet runs: rotate, status, drop-old', load: () => import('./ca.ts') },
  { name: 'user', summary: 'make a user of the Kubernetes API: a role, and a kubeconfig with a token', load: () => import('./user.ts') },
  { name: 'get', summary: 'show devices, nodes, or the twins of a device', load: () => import('./get.ts') },
  { name: 'set', summary: 'set desired values of a device', load: () => import('./set.ts') },
  { name: 'watch', summary: 'follow twins or uploads', load: () => import('./watch.ts') },
  { name: 'validate', summary: 'check YAML with Devices and DeviceModels', load: () => import('./validate.ts') },
  { name: 'mappers', summary: 'which mapper plugins work here, and what the edge does with them', load: () => import('./mappers.ts') },
  { name: 'read', summary: 'what real devices answer to the visitors of a YAML file', load: () => import('./read.ts') },
  { name: 'discover', summary: 'look for devices and print YAML for them', load: () => import('./discover.ts') },
  { name: 'crds', summary: 'print the custom resource definitions, for a cluster', load: () => import('./crds.ts') },
  { name: 'mqtt', summary: "accounts of the board's MQTT broker", load: () => import('./mqtt.ts') },
  { name: 'opcua', summary: 'which OPC UA servers the board trusts', load: () => import('./opcua.ts') },
  { name: 'board', summary: 'what this board is, and what to enable for attached devices', load: () => import('./board.ts') },
  { name: 'simulate', summary: 'devices to play with, as a model says', load: () => import('./simulate.ts') },
  { name: 'demo', summary: 'everything at once, on simulated devices', load: () => import('./demo.ts'), hidden: true },
];
