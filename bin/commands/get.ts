/** Owns `hivelet get`: devices, nodes, or the twins of devices as tables. */
import type { Invocation, Command } from './command.ts';
import { accessFlags, openTwins } from './twins/access.ts';
import { ageText, columns } from './twins/columns.ts';
import type { DeviceLine, DeviceTwins, NodeLine, TwinLine, TwinSource } from './twins/source.ts';

export const command: Command = {
  usage: ['get', 'get devices', 'get nodes', 'get DEVICE...'],
  about: [
    'Shows twins without kubectl, those of all devices when none is named: of the cluster through its API when there is a kubeconfig, else of the',
    'board over MQTT. A device may be written NAMESPACE/NAME.',
  ],
  flags: { ...accessFlags, json: { type: 'boolean', help: 'the same as JSON' } },
  async run(invocation) {
    const { source } = await openTwins(invocation);
    try {
      await show(source, invocation);
      return 0;
    } finally {
      await source.close();
    }
  },
};

async function show(source: TwinSource, { args, flags, io, clock }: Invocation): Promise<void> {
  const print = <T>(items: T, lines: (items: T) => string[]): void => {
    if (flags.has('json')) io.out(JSON.stringify(items, undefined, 2));
    else for (const line of lines(items)) io.out(line);
  };
  const now = clock.now();
  const [first] = args;
  if (args.length === 1 && first === 'devices') return print(await source.devices(), (list) => deviceTable(list, now));
  if (args.length === 1 && first === 'nodes') return print(await source.nodes(), (list) => nodeTable(list, now));
  const found: DeviceTwins[] = [];
  const names =
    args.length > 0 ? args : (await source.devices()).map(({ namespace, name }) => (namespace === '' ? name : `${namespace}/${name}`));
  for (const name of names) found.push(await source.twins(name));
  if (found.length === 0 && !flags.has('json')) return io.out('no devices');
  print(found, (list) => list.flatMap((each, index) => [...(index === 0 ? [] : ['']), ...deviceText(each, now)]));
}

export function deviceTable(devices: readonly DeviceLine[], now: number): string[] {
  if (devices.length === 0) return ['no devices'];
  const several = new Set(devices.map(({ namespace }) => namespace)).size > 1;
  const head = [...(several ? ['NAMESPACE'] : []), 'NAME', 'NODE', 'MODEL', 'PROTOCOL', 'STATE', 'LAST SEEN', 'NOTE'];
  const rows = devices.map((device) => [
    ...(several ? [device.namespace] : []),
    device.name,
    dash(device.node),
    dash(device.model),
    dash(device.protocol),
    dash(device.state),
    ago(device.lastSeenMs, now),
    device.note,
  ]);
  return columns(head, rows);
}

function nodeTable(nodes: readonly NodeLine[], now: number): string[] {
  if (nodes.length === 0) return ['no nodes'];
  const rows = nodes.map(({ name, ready, heartbeatMs, devices, version }) => [
    name,
    ready,
    ago(heartbeatMs, now),
    String(devices),
    dash(version),
  ]);
  return columns(['NAME', 'STATUS', 'HEARTBEAT', 'DEVICES', 'VERSION'], rows);
}

function deviceText({ device, twins }: DeviceTwins, now: number): string[] {
  const facts = [device.model, device.protocol, device.node === '' ? '' : `on ${device.node}`, device.state].filter((fact) => fact !== '');
  const seen = device.lastSeenMs === undefined ? [] : [`seen ${ago(device.lastSeenMs, now)} ago`];
  const note = device.note === '' ? [] : [`  ${device.note}`];
  return [[device.name, [...facts, ...seen].join(', ')].filter((part) => part !== '').join(': '), ...note, ...twinTable(twins, now)];
}

export function twinTable(twins: readonly TwinLine[], now: number): string[] {
  if (twins.length === 0) return ['no properties'];
  const rows = twins.map(({ property, desired, reported, unit, state, reportedAtMs, readOnly }) => [
    property,
    desired ?? (readOnly ? '' : '-'),
    reported ?? '-',
    unit,
    state === '' && readOnly ? 'read-only' : state,
    ago(reportedAtMs, now),
  ]);
  return columns(['PROPERTY', 'DESIRED', 'REPORTED', 'UNIT', 'STATE', 'AGE'], rows);
}

function ago(ms: number | undefined, now: number): string {
  return ms === undefined ? '-' : ageText(now - ms);
}

function dash(text: string): string {
  return text === '' ? '-' : text;
}
