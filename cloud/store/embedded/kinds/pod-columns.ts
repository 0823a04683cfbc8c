/** Owns the printer columns of pods. */
import type { KubeObject } from '../../kube-api.ts';
import { dig, listAt, textAt } from '../json-value.ts';
import { NONE, age, at, column } from './columns.ts';
import type { Column } from './kind.ts';

export const podColumns: readonly Column[] = [
  column('Ready', podReady),
  column('Status', podStatus),
  column('Restarts', (object) => containers(object).reduce<number>((sum, each) => sum + Number(dig(each, 'restartCount') ?? 0), 0)),
  age,
  column('IP', at('status', 'podIP'), 1),
  column('Node', at('spec', 'nodeName'), 1),
  column('Nominated Node', at('status', 'nominatedNodeName'), 1),
  column('Readiness Gates', readinessGates, 1),
];

function containers(object: KubeObject): unknown[] {
  return listAt(object, 'status', 'containerStatuses');
}

function podReady(object: KubeObject): string {
  const ready = containers(object).filter((each) => dig(each, 'ready') === true);
  return `${ready.length}/${listAt(object, 'spec', 'containers').length}`;
}

function podStatus(object: KubeObject): string {
  const going = object.metadata.deletionTimestamp !== undefined;
  if (going) return textAt(object, 'status', 'reason') === 'NodeLost' ? 'Unknown' : 'Terminating';
  const reasons = containers(object).map((each) => {
    const waiting = textAt(each, 'state', 'waiting', 'reason');
    return waiting === '' ? stopped(each) : waiting;
  });
  return reasons.find((reason) => reason !== '') ?? (textAt(object, 'status', 'reason') || textAt(object, 'status', 'phase') || 'Unknown');
}

function stopped(container: unknown): string {
  const code = dig(container, 'state', 'terminated', 'exitCode');
  const reason = textAt(container, 'state', 'terminated', 'reason');
  return reason === '' && typeof code === 'number' ? `ExitCode:${code}` : reason;
}

function readinessGates(object: KubeObject): string {
  const gates = listAt(object, 'spec', 'readinessGates').map((gate) => textAt(gate, 'conditionType'));
  if (gates.length === 0) return NONE;
  const met = gates.filter((gate) =>
    listAt(object, 'status', 'conditions').some((each) => textAt(each, 'type') === gate && textAt(each, 'status') === 'True'),
  );
  return `${met.length}/${gates.length}`;
}
