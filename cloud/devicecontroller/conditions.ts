/** Owns the conditions of a Device: in words, why it does or does not do what its object says. */
import type { DeviceState } from './device-report.ts';
import type { DeviceView } from './device-view.ts';
import type { Condition } from './status-patch.ts';

/** Every type that we write; one that does not hold is taken away, only Ready is always there. */
export const ownConditions: ReadonlySet<string> = new Set([
  'Ready',
  'ModelMissing',
  'ProfileInvalid',
  'NameConflict',
  'NodeUnknown',
  'LocalOverride',
]);

export interface DeviceSituation {
  view: DeviceView;
  /** The older Device that has the name on this node. */
  rival: DeviceView | undefined;
  /** `missing`: no Node object; `lost`: not Ready. */
  node: 'ready' | 'lost' | 'missing';
  state: DeviceState | undefined;
  /** Local `expected` by property. */
  overrides: ReadonlyMap<string, string>;
}

/** Problems named in one condition; the rest is counted. */
const MAX_PROBLEMS = 5;
/** Words of mappers, any letter case, that mean that the device answers. */
const goodStates: ReadonlySet<string> = new Set(['online', 'ok']);

/** The state that the API is to show; undefined when nothing is known. */
export function shownState({ node, rival, state }: DeviceSituation): string | undefined {
  if (rival !== undefined) return undefined;
  return node === 'lost' ? 'unknown' : state?.state;
}

export function conditionsOf(situation: DeviceSituation): Condition[] {
  const faults = faultsOf(situation);
  return [readyOf(situation, faults), ...faults, ...overrideOf(situation)];
}

/** In order of what to mend first. */
function faultsOf({ view, rival, node }: DeviceSituation): Condition[] {
  const faults: Condition[] = [];
  const add = (type: string, reason: string, message: string): void => void faults.push({ type, status: 'True', reason, message });
  const { nodeName, model } = { nodeName: view.node, model: view.profile.model };
  if (rival !== undefined) {
    add(
      'NameConflict',
      'OlderDeviceHasTheName',
      `${rival.key} is older and has the name ${view.name} on node ${rival.node ?? ''}: rename one`,
    );
  }
  if (nodeName === undefined) add('NodeUnknown', 'NoNodeNamed', 'the Device names no node: fill in spec.nodeSelector or spec.nodeName');
  else if (node === 'missing') add('NodeUnknown', 'NodeNotFound', `there is no node ${nodeName} (yet): join it or name another one`);
  if (view.modelMissing) add('ModelMissing', 'ModelNotFound', `there is no DeviceModel ${model} in namespace ${view.namespace}: create it`);
  const problems = view.problems.filter(({ severity, path }) => severity !== 'warn' && !saidAlready(view, path));
  if (problems.length > 0) {
    const shown = problems.slice(0, MAX_PROBLEMS).map(({ path, message }) => `${path} ${message}`);
    const more = problems.length > shown.length ? `; and ${problems.length - shown.length} more` : '';
    add('ProfileInvalid', 'NotUsableAsWritten', shown.join('; ') + more);
  }
  return faults;
}

/** NodeUnknown and ModelMissing tell these already. */
function saidAlready(view: DeviceView, path: string): boolean {
  return (view.node === undefined && path.startsWith('spec.nodeSelector')) || (view.modelMissing && path.startsWith('spec.deviceModelRef'));
}

function readyOf({ view, node, state }: DeviceSituation, faults: readonly Condition[]): Condition {
  const ready = (status: Condition['status'], reason: string, message: string): Condition => ({ type: 'Ready', status, reason, message });
  const [first] = faults.filter(({ type }) => type !== 'ProfileInvalid');
  if (first !== undefined) return ready('False', first.type, first.message);
  if (node === 'lost') return ready('Unknown', 'NodeNotReady', `node ${view.node ?? ''} is not Ready, so nothing is known of the device`);
  if (state === undefined) return ready('Unknown', 'NotReported', `node ${view.node ?? ''} has not said yet how the device is`);
  const reason = state.reason === undefined ? '' : `: ${state.reason}`;
  return goodStates.has(state.state.toLowerCase())
    ? ready('True', 'DeviceOnline', 'the device answers')
    : ready('False', 'DeviceNotOnline', `the node says that the device is ${state.state}${reason}`);
}

function overrideOf({ overrides, view }: DeviceSituation): Condition[] {
  if (overrides.size === 0) return [];
  const desired = new Map(view.profile.properties.map((property) => [property.name, property.desired?.value]));
  const each = [...overrides].map(([name, value]) => `${name} is held at ${value} (the API wants ${desired.get(name) ?? 'nothing'})`);
  return [{ type: 'LocalOverride', status: 'True', reason: 'SetAtTheEdge', message: each.slice(0, 20).join('; ') }];
}
