/** Owns which node a Device is bound to: `spec.nodeName` (v1beta1) or the one value that KubeEdge reads from `spec.nodeSelector`. */
import { field, fieldsAt, fieldsOf, listOf, nameOf } from './fields.ts';
import type { Fields } from './fields.ts';
import type { ProblemList } from './problem.ts';

/** Where the name of the node stands, for messages. */
export function nodePath(device: Fields): string {
  const spec = fieldsAt(device, 'spec');
  if (nameOf(field(spec, 'nodeName')) !== undefined) return 'spec.nodeName';
  return 'spec.nodeSelector.nodeSelectorTerms[0].matchExpressions[0].values[0]';
}

/** `nodeSelectorTerms[0].matchExpressions[0].values[0]`; key and operator never counted. */
export function readNode(device: Fields, problems: ProblemList): string | undefined {
  const spec = fieldsAt(device, 'spec');
  const direct = nameOf(field(spec, 'nodeName'));
  if (direct !== undefined) return direct;
  const selector = fieldsAt(spec, 'nodeSelector');
  const terms = listOf(field(selector, 'nodeSelectorTerms'));
  const expressions = listOf(field(fieldsOf(terms[0]), 'matchExpressions'));
  const expression = fieldsOf(expressions[0]);
  const values = listOf(field(expression, 'values'));
  const node = nameOf(values[0]);
  const path = 'spec.nodeSelector.nodeSelectorTerms';
  if (node === undefined) {
    const at = selector === undefined ? 'spec.nodeSelector' : `${path}[0].matchExpressions[0].values[0]`;
    problems.condition(at, 'names no node, so no node runs the device: write the name of one', 'NodeUnknown');
  } else if (terms.length > 1 || expressions.length > 1 || values.length > 1) {
    problems.warn(path, `holds several values and only the first one, ${node}, counts: a device runs on one node`);
  }
  const key = nameOf(field(expression, 'key'));
  if (node !== undefined && key !== undefined && key !== 'kubernetes.io/hostname') {
    problems.warn(
      `${path}[0].matchExpressions[0].key`,
      `${key} does not count, the value is taken for a name: the device is bound to ${node}`,
    );
  }
  const operator = nameOf(field(expression, 'operator'));
  if (node !== undefined && operator !== undefined && operator !== 'In') {
    problems.warn(`${path}[0].matchExpressions[0].operator`, `${operator} counts as In: the device is bound to ${node}`);
  }
  return node;
}
