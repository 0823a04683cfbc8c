/** Owns the check that a schema of a CustomResourceDefinition is structural: a type on every node, patterns that compile. */
import type { StatusCause } from '../../kube-api.ts';
import { isRecord } from '../json-value.ts';
import { forbiddenField, invalidValue, required } from '../status.ts';
import type { Schema } from './schema.ts';

/** Deeper schemas are refused: every walk over objects recurses as deep. */
const DEEPEST = 64;

export function structuralFaults(schema: Schema, path: string): StatusCause[] {
  const causes: StatusCause[] = [];
  walk(schema, path, { causes, depth: 0 });
  if (schema.type !== undefined && schema.type !== 'object')
    causes.push(invalidValue(`${path}.type`, schema.type, 'must be object at the root'));
  return causes;
}

function walk(schema: unknown, path: string, { causes, depth }: { causes: StatusCause[]; depth: number }): void {
  if (!isRecord(schema)) {
    causes.push(invalidValue(path, typeof schema, 'must be a schema'));
    return;
  }
  if (depth > DEEPEST) {
    causes.push(forbiddenField(path, `schemas may be at most ${DEEPEST} levels deep`));
    return;
  }
  const node = schema as Schema;
  checkNode(node, path, causes);
  const inside = { causes, depth: depth + 1 };
  for (const [key, member] of Object.entries(node.properties ?? {})) walk(member, `${path}.properties[${key}]`, inside);
  if (node.items !== undefined) walk(node.items, `${path}.items`, inside);
  if (isRecord(node.additionalProperties)) walk(node.additionalProperties, `${path}.additionalProperties`, inside);
}

function checkNode(node: Schema, path: string, causes: StatusCause[]): void {
  const untyped = node['x-kubernetes-int-or-string'] === true || node['x-kubernetes-preserve-unknown-fields'] === true;
  if ((node.type === undefined || node.type === '') && !untyped) {
    const where = path.endsWith(']') ? 'object fields' : path.endsWith('.items') ? 'array items' : 'the root';
    causes.push(
      required(`${path}.type`, where === 'the root' ? 'must not be empty at the root' : `must not be empty for specified ${where}`),
    );
  }
  if (node.type === 'array' && node.items === undefined) causes.push(required(`${path}.items`, 'must be specified'));
  if (node['x-kubernetes-list-type'] === 'map' && (node['x-kubernetes-list-map-keys'] ?? []).length === 0) {
    causes.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'));
  }
  if (typeof node.pattern === 'string' && !compiles(node.pattern)) {
    causes.push(invalidValue(`${path}.pattern`, node.pattern, 'must be a valid regular expression'));
  }
}

function compiles(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u');
    return true;
  } catch {
    return false;
  }
}
