/** Owns reading a Device and its DeviceModel, of any generation or mix, into the one internal DeviceProfile (DESIGN D4). */
import type { DeviceProfile, PropertyProfile } from './device-profile.ts';
import { DEFAULT_COLLECT_MS } from './cycles.ts';
import { desiredText, readTwins } from './desired.ts';
import type { TwinEntry } from './desired.ts';
import { field, fieldsAt, fieldsOf, listOf, nameOf, textOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { spokenType, withLocalName } from './bluetooth-visitor.ts';
import { checkModbusFit } from './enums.ts';
import { readModelProperties } from './model-property.ts';
import type { ModelProperty } from './model-property.ts';
import { ProblemList, quoted } from './problem.ts';
import type { Problem } from './problem.ts';
import { readNode } from './node-selector.ts';
import { fittingPolicy } from './report-policy.ts';
import { readProtocol, sameProtocol } from './protocol-block.ts';
import { foreignSecret } from './secret-reference.ts';
import type { ProtocolBlock } from './protocol-block.ts';
import { modelMissing } from './surroundings.ts';
import { toleranceOf } from './tolerance.ts';
import { checkText, valueTypeOf, withinBounds } from './values.ts';
import { joined, readDeviceVisitors, readModelVisitors } from './visitors.ts';
import type { Visitor } from './visitors.ts';

export type { Problem, Severity } from './problem.ts';

/** Documented default of v1alpha2. */
const DATA_TOPIC = '$ke/events/device/+/data/update';

/**
 * Never throws: what cannot be used is left out and told as a problem. `model` undefined = it does not exist (yet): the profile then
 * holds the twins and no visitor. Problems of the model itself come as conditions whose path starts with `model:`; `readModel` has them as they are.
 */
export function readProfile(device: Fields, model: Fields | undefined): { profile: DeviceProfile; problems: Problem[] } {
  const problems = new ProblemList();
  const { properties: known, visitors: modelVisitors, problems: faults } = readModelParts(model);
  const templates = new Map([...modelVisitors].map(([name, visitor]) => [name, inModel(visitor)]));
  const block = readProtocol(device, model, problems);
  const foreign = foreignSecret(block.config, namespaceOf(device));
  if (foreign !== undefined) problems.condition('spec.protocol', foreign);
  const visitors = joined(readDeviceVisitors(device, problems), templates);
  const twins = readTwins(device, problems);
  const reference = nameOf(field(fieldsAt(device, 'spec', 'deviceModelRef'), 'name')) ?? '';
  if (reference === '') problems.condition('spec.deviceModelRef.name', 'is missing, so no property is read: name a DeviceModel');
  else if (model === undefined) problems.items.push(modelMissing(reference, namespaceOf(device)));
  else checkNames({ known, visitors, twins, reference }, problems);
  if (model !== undefined) {
    checkUnvisited({ known, visitors, protocol: block.protocol }, problems);
    for (const [name, property] of known) checkFit(property, visitors.get(name), problems);
  }
  const properties = propertyNames(known, twins).map((name) => {
    const visitor = usableVisitor(visitors.get(name), { block, known: known.has(name) }, problems);
    return readProperty({ name, known: known.get(name), twin: twins.get(name), visitor }, problems);
  });
  const profile = {
    ...readIdentity(device, problems),
    model: reference,
    protocol: block.protocol,
    protocolConfig: block.protocol === 'bluetooth' ? withLocalName(block.config, reference, problems) : block.config,
    properties,
  };
  const data = readData(device, profile.name);
  for (const fault of faults)
    problems.items.push({ ...fault, severity: fault.severity === 'warn' ? 'warn' : 'condition', path: `model:${fault.path}` });
  return { profile: data === undefined ? profile : { ...profile, data }, problems: problems.items };
}

function inModel({ path, at, ...visitor }: Visitor): Visitor {
  const { policyAt } = visitor;
  return {
    ...visitor,
    path: `model:${path}`,
    ...(at === undefined ? {} : { at: `model:${at}` }),
    ...(policyAt === undefined ? {} : { policyAt: `model:${policyAt}` }),
  };
}

/** Checks a DeviceModel by itself; never throws. */
export function readModel(model: Fields): { properties: ModelProperty[]; problems: Problem[] } {
  const { properties, visitors, problems } = readModelParts(model);
  const lost = [...visitors.values()].filter((visitor) => !properties.has(visitor.property));
  const faults = lost.map((visitor): Problem => ({ severity: 'condition', path: visitor.path, message: strayVisitor(visitor.property) }));
  return { properties: [...properties.values()], problems: [...problems, ...faults] };
}

interface ModelParts {
  properties: Map<string, ModelProperty>;
  visitors: Map<string, Visitor>;
  problems: Problem[];
}

function readModelParts(model: Fields | undefined): ModelParts {
  const problems = new ProblemList();
  const properties = model === undefined ? new Map<string, ModelProperty>() : readModelProperties(model, problems);
  const visitors = readModelVisitors(model, problems);
  for (const [name, property] of properties) checkFit(property, visitors.get(name), problems);
  return { properties, visitors, problems: problems.items };
}

/** The model's properties in its order, then twins that it does not know: those keep their values though nobody reads them. */
function propertyNames(known: ReadonlyMap<string, ModelProperty>, twins: ReadonlyMap<string, TwinEntry>): string[] {
  return [...known.keys(), ...[...twins.keys()].filter((name) => !known.has(name))];
}

interface Names {
  known: ReadonlyMap<string, ModelProperty>;
  visitors: ReadonlyMap<string, Visitor>;
  twins: ReadonlyMap<string, TwinEntry>;
  reference: string;
}

function checkNames({ known, visitors, twins, reference }: Names, problems: ProblemList): void {
  for (const { property, path } of visitors.values()) if (!known.has(property)) problems.condition(path, strayVisitor(property));
  for (const { name, path } of twins.values()) {
    if (!known.has(name))
      problems.warn(path, `DeviceModel ${quoted(reference)} has no property ${quoted(name)}: add it there or remove the entry`);
  }
}

/** The protocols that a mapper of ours reads by visitors. */
const visited: ReadonlySet<string> = new Set(['modbus', 'opcua', 'bluetooth', 'iio']);

interface Reading {
  known: ReadonlyMap<string, ModelProperty>;
  visitors: ReadonlyMap<string, Visitor>;
  protocol: string;
}

/** Told once for all. A device without any visitor whose protocol is not ours is an app's, which speaks MQTT: nothing is missing there. */
function checkUnvisited({ known, visitors, protocol }: Reading, problems: ProblemList): void {
  const refused = new Set(problems.items.flatMap(({ severity, path }) => (severity === 'refuse' ? [path] : [])));
  const without = [...known.keys()].filter((name) => visitors.get(name)?.config === undefined);
  const unread = without.filter((name) => !refused.has(visitors.get(name)?.path ?? ''));
  if (unread.length === 0 || protocol === '' || (without.length === known.size && !visited.has(protocol))) return;
  const shown = unread.slice(0, 3).map(quoted).join(', ');
  const rest = unread.length > 3 ? ` and ${unread.length - 3} more` : '';
  const [are, it] = unread.length === 1 ? ['has', 'it'] : ['have', 'them'];
  problems.condition('spec.propertyVisitors', `${shown}${rest} ${are} no visitor, so no mapper reads ${it}: add one`);
}

/** Visitors of the model were checked with it. */
function checkFit(property: ModelProperty, visitor: Visitor | undefined, problems: ProblemList): void {
  const path = visitor?.at ?? visitor?.path ?? '';
  if (visitor?.config === undefined || visitor.protocol !== 'modbus' || path.startsWith('model:')) return;
  checkModbusFit({ type: property.type, config: visitor.config, path }, problems);
}

function strayVisitor(property: string): string {
  return `the DeviceModel has no property ${quoted(property)}, so nothing is read: add it there or correct the name`;
}

/** Only a visitor that the device's mapper can use gets into the profile. */
function usableVisitor(
  visitor: Visitor | undefined,
  context: { block: ProtocolBlock; known: boolean },
  problems: ProblemList,
): Visitor | undefined {
  const { block, known } = context;
  if (visitor?.config === undefined || !known) return visitor === undefined ? undefined : cyclesOf(visitor);
  if (block.protocol === '') {
    problems.condition(visitor.path, 'the Device names no protocol, so the property is not read: fill in spec.protocol');
    return cyclesOf(visitor);
  }
  if (visitor.protocol !== '' && !sameProtocol(visitor.protocol, block.protocol)) {
    problems.condition(
      visitor.path,
      `is for ${visitor.protocol} but the Device speaks ${block.protocol}, so ${quoted(visitor.property)} is not read`,
    );
    return cyclesOf(visitor);
  }
  return { ...visitor, protocol: block.protocol };
}

function cyclesOf({ config: _unusable, ...rest }: Visitor): Visitor {
  return rest;
}

interface PropertyParts {
  name: string;
  known: ModelProperty | undefined;
  twin: TwinEntry | undefined;
  visitor: Visitor | undefined;
}

function readProperty({ name, known, twin, visitor }: PropertyParts, problems: ProblemList): PropertyProfile {
  const modelled: ModelProperty = known ?? { name, type: twin?.type ?? 'string', accessMode: 'ReadWrite' };
  const base = visitor?.protocol === 'bluetooth' ? { ...modelled, type: spokenType(modelled.type, visitor.config) } : modelled;
  const desired = readDesired(base, twin, problems);
  const { config, protocol = '', collectCycleMs = DEFAULT_COLLECT_MS, reportCycleMs = 0, policyAt = '' } = visitor ?? {};
  const reportPolicy = fittingPolicy(visitor?.reportPolicy, { type: base.type, path: policyAt }, problems);
  return {
    ...base,
    ...(config === undefined ? {} : { visitor: { protocol, config } }),
    collectCycleMs,
    reportCycleMs,
    ...(reportPolicy === undefined ? {} : { reportPolicy }),
    tolerance: config === undefined ? 0 : toleranceOf(base, protocol, config),
    ...(desired === undefined ? {} : { desired }),
  };
}

/** A value that does not fit stays desired, as on a KubeEdge cluster; the edge refuses it, and the condition says why. */
function readDesired(property: ModelProperty, twin: TwinEntry | undefined, problems: ProblemList): PropertyProfile['desired'] {
  const { type, minimum, maximum, accessMode } = property;
  const written = twin?.desired;
  const value = written === undefined ? undefined : desiredText(type, written.value);
  if (twin === undefined || written === undefined || value === undefined) return undefined;
  const path = `${twin.path}.desired`;
  if (checkText(type, value) !== undefined) problems.condition(`${path}.value`, `${quoted(value)} is no ${type}: write one`);
  else if (!withinBounds(type, value, property)) {
    problems.condition(
      `${path}.value`,
      `${value} is outside ${minimum ?? 'any minimum'} to ${maximum ?? 'any maximum'}: write a value within`,
    );
  }
  if (accessMode === 'ReadOnly' && value !== '')
    problems.condition(`${path}.value`, `${quoted(property.name)} is ReadOnly, so the value is never written: remove it`);
  if (written.type !== undefined && valueTypeOf(written.type) === undefined) {
    problems.warn(`${path}.metadata.type`, `${quoted(written.type)} is no type, ${type} is taken: write ${type}`);
  }
  return written.type === undefined ? { value } : { value, type: written.type };
}

function readIdentity(device: Fields, problems: ProblemList): Pick<DeviceProfile, 'uid' | 'namespace' | 'name' | 'description' | 'node'> {
  const metadata = fieldsAt(device, 'metadata');
  const description = nameOf(field(fieldsAt(metadata, 'labels'), 'description'));
  const node = readNode(device, problems);
  return {
    uid: textOf(field(metadata, 'uid')) ?? '',
    namespace: namespaceOf(device),
    name: textOf(field(metadata, 'name')) ?? '',
    ...(description === undefined ? {} : { description }),
    ...(node === undefined ? {} : { node }),
  };
}

function namespaceOf(device: Fields): string {
  return nameOf(field(fieldsAt(device, 'metadata'), 'namespace')) ?? 'default';
}

function readData(device: Fields, name: string): DeviceProfile['data'] {
  const data = fieldsAt(device, 'spec', 'data');
  const properties = listOf(field(data, 'dataProperties')).flatMap((entry) => nameOf(field(fieldsOf(entry), 'propertyName')) ?? []);
  if (properties.length === 0) return undefined;
  const topic = nameOf(field(data, 'dataTopic')) ?? DATA_TOPIC;
  return { topic: topic.replaceAll('+', () => name), properties: [...new Set(properties)] };
}
