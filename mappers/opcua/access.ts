/** Owns how a visitor names a node of an OPC UA server: by its node id, or by a path of browse names. */
import { HiveletError } from '#beehive/errors.ts';
import { field, nameOf, type Fields } from '#device-models/fields.ts';

export type OpcuaAccess = NodeAccess | PathAccess;

export interface NodeAccess {
  readonly kind: 'node';
  /** `ns=2;s=Line.Temp`, `i=2258`, or with `nsu=URI` in the place of the number. */
  readonly nodeId: string;
}

export interface PathAccess {
  readonly kind: 'path';
  /** Names from the Objects folder down. A single one may be anywhere below it. */
  readonly steps: readonly BrowseStep[];
}

export interface BrowseStep {
  /** Absent: whatever namespace the name is in. */
  readonly namespace?: number;
  readonly name: string;
}

/** Beyond it nothing can be found within reason. */
const LONGEST_PATH = 32;
const LONGEST_NAME = 4096;
/** As many bits as they have on the wire. */
const HIGHEST_NAMESPACE = 0xffff;
const HIGHEST_NUMBER = 0xffff_ffff;

/** A node id wins over a browse name, which KubeEdge's mapper does not look at. Throws PROFILE_INVALID with the field. */
export function readOpcuaAccess(input: Fields, at: string): OpcuaAccess {
  const nodeId = nameOf(field(input, 'nodeID'));
  if (nodeId !== undefined) {
    if (!isNodeId(nodeId) || nodeId.length > LONGEST_NAME)
      throw fault(`${at}.nodeID`, nodeId, 'is no node id: write one such as ns=2;s=Line.Temp, ns=2;i=1003 or i=2258');
    return { kind: 'node', nodeId };
  }
  const browseName = nameOf(field(input, 'browseName'));
  if (browseName === undefined)
    throw new HiveletError('PROFILE_INVALID', `${at}: neither nodeID nor browseName is there; add nodeID, for instance ns=2;s=Line.Temp`, {
      facts: { path: `${at}.nodeID` },
    });
  const steps = stepsOf(browseName);
  if (steps === undefined)
    throw fault(`${at}.browseName`, browseName, 'is no path: write browse names with / between them, for instance 2:Line/2:Temperature');
  return { kind: 'path', steps };
}

/** For messages: what a person wrote. */
export function describeAccess(access: OpcuaAccess): string {
  return access.kind === 'node' ? access.nodeId : access.steps.map(stepText).join('/');
}

export function stepText({ namespace, name }: BrowseStep): string {
  const escaped = name.replace(/[/\\]/g, '\\$&');
  return namespace === undefined ? escaped : `${namespace}:${escaped}`;
}

/** Of a node id: without a namespace it is the standard's. */
export function partsOf(nodeId: string): { uri?: string; namespace: number; identifier: string } {
  const [, uri, number, identifier = nodeId] = /^ns(?:u=([^;]+)|=(\d{1,5}));(.*)$/s.exec(nodeId) ?? [];
  return { ...(uri === undefined ? {} : { uri }), namespace: Number(number ?? 0), identifier };
}

function isNodeId(text: string): boolean {
  const { namespace, identifier } = partsOf(text);
  if (namespace > HIGHEST_NAMESPACE) return false;
  return (
    (/^i=\d{1,10}$/.test(identifier) && Number(identifier.slice(2)) <= HIGHEST_NUMBER) ||
    /^s=./s.test(identifier) ||
    /^g=[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(identifier) ||
    /^b=[A-Za-z0-9+/]+={0,2}$/.test(identifier)
  );
}

/** `/` between names; `\/` is a slash in a name. `Root` and `Objects` at the start may be left out. */
function stepsOf(path: string): readonly BrowseStep[] | undefined {
  const names = (path.match(/(?:\\.|[^/\\])+/g) ?? []).map((name) => name.replace(/\\(.)/g, '$1'));
  const steps = names.map(stepOf);
  for (const standard of ['Root', 'Objects']) if (steps.length > 1 && isStandard(steps[0], standard)) steps.shift();
  const bad = steps.length === 0 || steps.length > LONGEST_PATH || path.length > LONGEST_NAME;
  return bad || steps.some(({ name }) => name === '') ? undefined : steps;
}

function stepOf(text: string): BrowseStep {
  const [, number, name] = /^(\d{1,5}):(.*)$/s.exec(text) ?? [];
  return number === undefined || name === undefined ? { name: text } : { namespace: Number(number), name };
}

function isStandard(step: BrowseStep | undefined, name: string): boolean {
  return step?.name === name && (step.namespace ?? 0) === 0;
}

function fault(path: string, written: unknown, what: string): HiveletError {
  return new HiveletError('PROFILE_INVALID', `${path}: ${JSON.stringify(written)} ${what}`, { facts: { path } });
}
