/** Owns the conditions of a Device: in words, why it does or does not do what its object says. */
import { sentenceOf, type Problem } from '#device-models/problem.ts';
import { claimOf, modelMissing, surroundingProblems } from '#device-models/surroundings.ts';
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

/** Those that can be judged, and so taken away, before the edge has said anything. */
export const conditionsWithoutReport: ReadonlySet<string> = new Set([...ownConditions].filter((type) => type !== 'LocalOverride'));

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

/** In order of what to mend first. The sentences are those that admission warns with. */
function faultsOf(situation: DeviceSituation): Condition[] {
  const problems = problemsOf(situation).filter(({ severity }) => severity !== 'warn');
  const unnamed = situation.view.node === undefined;
  const reasons = [
    ['NameConflict', 'OlderDeviceHasTheName'],
    ['NodeUnknown', unnamed ? 'NoNodeNamed' : 'NodeNotFound'],
    ['ModelMissing', 'ModelNotFound'],
    ['ProfileInvalid', 'NotUsableAsWritten'],
  ] as const;
  return reasons.flatMap(([type, reason]): Condition[] => {
    const found = problems.filter(({ shownAs = 'ProfileInvalid' }) => shownAs === type);
    if (found.length === 0) return [];
    const shown = found.slice(0, MAX_PROBLEMS).map(sentenceOf);
    const more = found.length > shown.length ? `; and ${found.length - shown.length} more` : '';
    return [{ type, status: 'True', reason, message: shown.join('; ') + more }];
  });
}

function problemsOf({ view, rival, node }: DeviceSituation): Problem[] {
  const { object, problems, profile, namespace } = view;
  const claim = claimOf(object, view.node ?? '');
  const around = surroundingProblems(object, claim, {
    nodeKnown: node !== 'missing' || view.node === undefined,
    rival: rival === undefined ? undefined : claimOf(rival.object, rival.node ?? ''),
  });
  // The profile was read with the last known model, if there was one.
  const missing = view.modelMissing && !problems.some(({ shownAs }) => shownAs === 'ModelMissing');
  return [...around, ...problems, ...(missing ? [modelMissing(profile.model, namespace)] : [])];
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
