/** Owns a device of one property, for cases that show only what they are about. */
import { readProfile } from '#device-models/read-profile.ts';
import { yamlDocuments } from '#test/support/yaml-fixture.ts';

/** A device of one property from YAML snippets, so that a case shows only what it is about. */
export function small(parts: { type?: string; protocol?: string; visitor?: string; twins?: string }): ReturnType<typeof readProfile> {
  const {
    type = 'int: {accessMode: ReadWrite}',
    protocol = 'modbus: {slaveID: 1}',
    visitor = 'modbus: {register: HoldingRegister, offset: 0, limit: 1}',
    twins = '[]',
  } = parts;
  const [model = {}] = yamlDocuments(`spec: {properties: [{name: p, type: {${type}}}]}`);
  const [device = {}] = yamlDocuments(`
metadata: {name: d}
spec: {deviceModelRef: {name: m}, nodeName: n, protocol: {${protocol}}, propertyVisitors: [{propertyName: p, ${visitor}}]}
status: {twins: ${twins}}`);
  return readProfile(device, model);
}

/** Each problem as `severity path`. */
export const told = (problems: { severity: string; path: string }[]): string[] =>
  problems.map(({ severity, path }) => `${severity} ${path}`);
